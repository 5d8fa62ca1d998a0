"""Writes the compact golden set beside this file: answers of librosa on a short synthesised signal.

    python -m venv venv && venv/bin/pip install librosa==0.11.0
    venv/bin/python tests/golden/make.py

The format is the one that the parity example reads. Every case has the tolerance of a sound single-precision
implementation: a few units in the last place of the largest value, or a thousandth of a decibel.
"""

import json
from pathlib import Path

import librosa
import numpy as np
import scipy

FOLDER = Path(__file__).parent
RATE = 22050
CASES = []
ARRAYS = {}


def signal():
    """A glide, a click and noise: 6000 samples in 16-bit steps."""
    rng = np.random.default_rng(20260101)
    t = np.arange(6000) / RATE
    y = 0.4 * np.sin(2 * np.pi * (200 * t + 8000 * t**2)) + 0.02 * rng.standard_normal(t.size)
    y[3000:3020] += 0.5
    return np.round(y * 32768).astype(np.float32) / np.float32(32768)


Y = signal()


def case(group, name, function, answer, rtol=3e-6, atol=1e-12, compare="max_abs_relative_to_peak", **params):
    """Stores one answer, or a list of named ones, with all parameters."""
    outputs = []
    for output, value in answer if isinstance(answer, list) else [("value", answer)]:
        value = np.asarray(value)
        kind = {"c": np.complex64, "i": np.int64, "b": np.int64}.get(value.dtype.kind, np.float32)
        value = np.ascontiguousarray(value.astype(kind))
        key = f"{group}/{name}/{output}"
        ARRAYS[key] = value
        outputs.append(
            {"name": output, "file": "golden.npz", "key": key, "shape": list(value.shape), "dtype": str(value.dtype)}
        )
    CASES.append(
        {
            "id": f"{group}/{name}",
            "group": group,
            "function": function,
            "signal": "glide" if params.pop("with_signal", True) else None,
            "inputs": [],
            "params": params,
            "outputs": outputs,
            "rtol": rtol,
            "atol": atol,
            "compare": compare,
            "note": "",
        }
    )


def frames(**changes):
    return {"n_fft": 512, "hop_length": 400, "win_length": 512, "window": "hann", "center": True,
            "pad_mode": "constant", **changes}


def main():
    for window in ["hann", "hamming", "blackmanharris", ["kaiser", 8.6], ["tukey", 0.25]]:
        spec = tuple(window) if isinstance(window, list) else window
        name = window if isinstance(window, str) else window[0]
        answer = librosa.filters.get_window(spec, 33, fftbins=True)
        case("windows", name, "librosa.filters.get_window", answer, with_signal=False, window=window, Nx=33,
             fftbins=True)
    for htk, norm in [(False, "slaney"), (True, None)]:
        params = {"sr": RATE, "n_fft": 512, "n_mels": 24, "fmin": 50.0, "fmax": 8000.0, "htk": htk, "norm": norm}
        case("filters", f"mel-{htk}", "librosa.filters.mel", librosa.filters.mel(**params), with_signal=False, **params)

    for name, changes in [("default", {}), ("reflect", {"pad_mode": "reflect"}), ("uncentred", {"center": False}),
                          ("short", {"win_length": 300, "window": "hamming"})]:
        params = frames(hop_length=1500, **changes)
        case("stft", name, "librosa.stft", librosa.stft(Y, **params), **params)

    bands = {"n_mels": 24, "fmin": 0.0, "fmax": 11025.0, "htk": False}
    params = {"sr": RATE, "power": 2.0, "norm": "slaney", **frames(), **bands}
    case("mel", "slaney", "librosa.feature.melspectrogram", librosa.feature.melspectrogram(y=Y, **params), **params)
    params = {"sr": RATE, "power": 1.0, "norm": None, **frames(center=False), **bands, "htk": True}
    case("mel", "htk", "librosa.feature.melspectrogram", librosa.feature.melspectrogram(y=Y, **params), **params)

    params = {"sr": RATE, "n_mfcc": 13, "dct_type": 2, "norm": "ortho", "lifter": 22, "mel_norm": "slaney",
              "power": 2.0, **frames(), **bands}
    answer = librosa.feature.mfcc(
        y=Y, **{k: v for k, v in params.items() if k != "mel_norm"}, **{"mel_norm": "slaney"}
    )
    case("mfcc", "lifter", "librosa.feature.mfcc", answer, rtol=1e-5, **params)

    shape = {"sr": RATE, **frames()}
    feature = librosa.feature
    case("spectral", "centroid", "librosa.feature.spectral_centroid", feature.spectral_centroid(y=Y, **shape), **shape)
    params = {**shape, "p": 2, "norm": True}
    case("spectral", "bandwidth", "librosa.feature.spectral_bandwidth", feature.spectral_bandwidth(y=Y, **params),
         rtol=1e-5, **params)
    params = {**shape, "roll_percent": 0.85}
    case("spectral", "rolloff", "librosa.feature.spectral_rolloff", feature.spectral_rolloff(y=Y, **params), **params)
    params = {**frames(), "amin": 1e-10, "power": 2.0}
    case("spectral", "flatness", "librosa.feature.spectral_flatness", feature.spectral_flatness(y=Y, **params),
         rtol=2e-5, **params)
    params = {**shape, "fmin": 200.0, "n_bands": 5, "quantile": 0.05, "linear": False}
    case("spectral", "contrast", "librosa.feature.spectral_contrast", feature.spectral_contrast(y=Y, **params),
         rtol=1e-4, **params)
    params = {"frame_length": 512, "hop_length": 400, "center": True}
    case("spectral", "rms", "librosa.feature.rms", feature.rms(y=Y, pad_mode="constant", **params),
         pad_mode="constant", **params)
    answer = feature.zero_crossing_rate(Y, **params)
    case("spectral", "zcr", "librosa.feature.zero_crossing_rate", answer, threshold=1e-10, ref_magnitude=None,
         pad=False, zero_pos=True, **params)

    ARRAYS["glide"] = Y
    np.savez_compressed(FOLDER / "golden.npz", **ARRAYS)
    index = {
        "format": 1,
        "references": {"librosa": librosa.__version__, "numpy": np.__version__, "scipy": scipy.__version__},
        "signals": {"glide": {"file": "golden.npz", "key": "glide", "sample_rate": RATE, "samples": len(Y),
                              "what": "glide, click and noise"}},
        "cases": CASES,
    }
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
