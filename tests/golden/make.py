"""Makes the compact golden set beside this file: what librosa and SciPy answer on three synthesised signals.

    python -m venv venv && venv/bin/pip install librosa==0.11.0 && venv/bin/python tests/golden/make.py

The format is that of `examples/parity`: index.json names every case with all its parameters, golden.npz holds signals,
inputs and answers. The tolerance of a case is eight times the change that float64 instead of float32 input makes, or that
a single-precision Fourier transform inside librosa makes where that is more, and at least 1e-6 of the peak (decibels: 1e-3 dB).
"""

import json
import pathlib

import librosa
import numpy as np
import scipy
import scipy.fft
import scipy.signal
import scipy.stats

RATE = 22050
HERE = pathlib.Path(__file__).parent



class SinglePrecision:
    """scipy.fft for librosa, but for Fourier transforms that round their input to float32."""

    dct = staticmethod(scipy.fft.dct)
    rfftfreq = staticmethod(scipy.fft.rfftfreq)

    @staticmethod
    def rfft(x, **options):
        return scipy.fft.rfft(np.asarray(x, dtype=np.float32), **options)

    @staticmethod
    def fft(x, **options):
        return scipy.fft.fft(np.asarray(x, dtype=np.complex64), **options)

    @staticmethod
    def irfft(x, **options):
        return scipy.fft.irfft(np.asarray(x, dtype=np.complex64), **options)


rng = np.random.default_rng(7)
t = np.arange(6000) / RATE
chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.18, 329.63)) * np.exp(-3 * (t % 0.2))
music = (0.2 * chord + 0.02 * rng.standard_normal(t.size)).astype(np.float32)
chirp = (0.5 * scipy.signal.chirp(np.arange(5001) / RATE, 60.0, 5001 / RATE, 9000.0, "logarithmic")).astype(np.float32)

u = np.arange(30011) / RATE
beat = np.exp(-12 * (u % 0.3))
notes = np.where(u < 0.7, 1.0, 2 ** (5 / 12))
song = sum(np.sin(2 * np.pi * f * np.cumsum(notes) / RATE) for f in (196.0, 246.94, 293.66)) * beat
song = (0.2 * song + 0.1 * np.exp(-300 * (u % 0.3)) * rng.standard_normal(u.size)).astype(np.float32)

arrays = {"signal/music": music, "signal/chirp": chirp, "signal/song": song}
signals = {
    name: {"file": "golden.npz", "key": f"signal/{name}", "sample_rate": RATE, "samples": int(arrays[f"signal/{name}"].size), "what": what}
    for name, what in (
        ("music", "decaying chord in noise"), ("chirp", "logarithmic chirp of odd length"), ("song", "two chords and a beat")
    )
}
cases = []


def add(group, name, function, params, call, output, signal=None, inputs=None, compare="max_abs_relative_to_peak", agreement=None):
    """Computes a case in float32 and float64 and stores it; `call` takes the signal or the inputs by name."""
    given = {"y": arrays[f"signal/{signal}"]} if signal else {k: arrays[v] for k, v in (inputs or {}).items()}
    value = np.asarray(call(**given))
    double = np.asarray(call(**{k: v.astype(np.complex128 if np.iscomplexobj(v) else np.float64) for k, v in given.items()}))
    librosa.set_fftlib(SinglePrecision)
    single = np.asarray(call(**given))
    librosa.set_fftlib()
    drift = max(float(np.max(np.abs(value - other))) for other in (double, single))
    peak = float(np.max(np.abs(value)))
    stored = value.astype(np.complex64 if np.iscomplexobj(value) else np.float32)
    key = f"{name}/{output}"
    arrays[key] = stored
    case = {
        "id": f"{group}/{name}", "group": group, "function": function, "signal": signal,
        "inputs": [
            {"name": k, "file": "golden.npz", "key": v, "shape": list(arrays[v].shape), "dtype": str(arrays[v].dtype)}
            for k, v in (inputs or {}).items()
        ],
        "params": params,
        "outputs": [{"name": output, "file": "golden.npz", "key": key, "shape": list(stored.shape), "dtype": str(stored.dtype)}],
        "rtol": max(1e-6, 8 * drift / max(peak, 1e-30)), "atol": 1e-12, "compare": compare, "note": "",
    }
    if compare == "elementwise":
        case |= {"rtol": 0.0, "atol": max(1e-3, 8 * drift)}
    if compare == "agreement":
        case |= {"rtol": 0.0, "atol": 0.01, "min_agreement": agreement}
    cases.append(case)
    return key


stft = {"n_fft": 512, "hop_length": 256, "win_length": 512, "window": "hann", "center": True, "pad_mode": "constant"}
framing = {"sr": RATE, **stft}
mel = {"n_mels": 40, "fmin": 0.0, "fmax": 11025.0, "htk": False, "norm": "slaney", **framing, "power": 2.0}

for name, window, length in (("hann", "hann", 512), ("hamming-odd", "hamming", 511), ("blackman", "blackman", 256)):
    add("windows", name, "librosa.filters.get_window", {"window": window, "Nx": length, "fftbins": True},
        lambda w=window, n=length: librosa.filters.get_window(w, n, fftbins=True), "window")
for signal in ("music", "chirp"):
    for name, change in (("stft", {}), ("stft-uncentred", {"center": False}), ("stft-reflect", {"pad_mode": "reflect", "win_length": 300})):
        params = stft | change
        key = add("stft", f"{name}-{signal}", "librosa.stft", params, lambda y, p=params: librosa.stft(y, **p), "D", signal)
    add("mel", f"slaney-{signal}", "librosa.feature.melspectrogram", mel,
        lambda y: librosa.feature.melspectrogram(y=y, **mel), "S", signal)
    htk = mel | {"htk": True, "norm": None, "fmax": 8000.0, "power": 1.0}
    add("mel", f"htk-{signal}", "librosa.feature.melspectrogram", htk,
        lambda y: librosa.feature.melspectrogram(y=y, **htk), "S", signal)
    mfcc = mel | {"norm": "ortho", "mel_norm": "slaney", "n_mfcc": 13, "dct_type": 2, "lifter": 0}
    add("mfcc", f"mfcc-{signal}", "librosa.feature.mfcc", mfcc,
        lambda y: librosa.feature.mfcc(y=y, **mfcc), "mfcc", signal)
    lifted = mfcc | {"lifter": 22, "dct_type": 3, "n_mfcc": 20}
    add("mfcc", f"mfcc-lifter-{signal}", "librosa.feature.mfcc", lifted,
        lambda y: librosa.feature.mfcc(y=y, **lifted), "mfcc", signal)
    rms = {"frame_length": 512, "hop_length": 256, "center": True, "pad_mode": "constant"}
    add("spectral", f"rms-{signal}", "librosa.feature.rms", rms, lambda y: librosa.feature.rms(y=y, **rms), "rms", signal)
    zcr = {"frame_length": 512, "hop_length": 256, "center": True}
    add("spectral", f"zcr-{signal}", "librosa.feature.zero_crossing_rate",
        {"threshold": 1e-10, "ref_magnitude": None, "pad": False, "zero_pos": True, **zcr},
        lambda y: librosa.feature.zero_crossing_rate(y, **zcr), "zcr", signal)
    add("spectral", f"centroid-{signal}", "librosa.feature.spectral_centroid", framing,
        lambda y: librosa.feature.spectral_centroid(y=y, **framing), "centroid", signal)
    add("spectral", f"bandwidth-{signal}", "librosa.feature.spectral_bandwidth", framing | {"norm": True, "p": 2},
        lambda y: librosa.feature.spectral_bandwidth(y=y, **framing), "bandwidth", signal)
    add("spectral", f"rolloff-{signal}", "librosa.feature.spectral_rolloff", framing | {"roll_percent": 0.85},
        lambda y: librosa.feature.spectral_rolloff(y=y, **framing), "rolloff", signal, compare="agreement", agreement=0.95)
    flatness = stft | {"amin": 1e-10, "power": 2.0}
    add("spectral", f"flatness-{signal}", "librosa.feature.spectral_flatness", flatness,
        lambda y: librosa.feature.spectral_flatness(y=y, **flatness), "flatness", signal)
contrast = framing | {"fmin": 200.0, "n_bands": 5, "quantile": 0.02, "linear": False}
add("spectral", "contrast-music", "librosa.feature.spectral_contrast", contrast,
    lambda y: librosa.feature.spectral_contrast(y=y, **contrast), "contrast", "music")
add("istft", "istft-chirp", "librosa.istft", {k: v for k, v in stft.items() if k != "pad_mode"} | {"length": 5001},
    lambda stft_matrix: librosa.istft(stft_matrix, hop_length=256, win_length=512, n_fft=512, length=5001), "y",
    inputs={"stft_matrix": "stft-chirp/D"})
for name, params in (("clipped", {"ref": 1.0, "amin": 1e-10, "top_db": 80.0}), ("whole", {"ref": 2.0, "amin": 1e-6, "top_db": None})):
    add("db", f"power-{name}", "librosa.power_to_db", params, lambda S, p=params: librosa.power_to_db(S, **p), "value",
        inputs={"S": "slaney-music/S"}, compare="elementwise")
add("db", "amplitude", "librosa.amplitude_to_db", {"ref": 1.0, "amin": 1e-5, "top_db": 80.0},
    lambda S: librosa.amplitude_to_db(S), "value", inputs={"S": "htk-music/S"}, compare="elementwise")
for order in (1, 2):
    delta = {"width": 9, "order": order, "axis": -1, "mode": "interp"}
    add("mfcc", f"delta-{order}", "librosa.feature.delta", delta, lambda data, p=delta: librosa.feature.delta(data, **p), "value",
        inputs={"data": "mfcc-music/mfcc"})
for name, function, params in (
    ("mean", "numpy.mean", {"axis": -1}), ("std", "numpy.std", {"axis": -1, "ddof": 0}),
    ("skew", "scipy.stats.skew", {"axis": -1, "bias": True}),
    ("kurtosis", "scipy.stats.kurtosis", {"axis": -1, "bias": True, "fisher": True}),
    ("median", "numpy.median", {"axis": -1}),
):
    module = np if function.startswith("numpy") else scipy.stats
    add("statistics", name, function, params, lambda x, f=name, p=params, m=module: getattr(m, f)(x.astype(np.float64), **p), "value",
        inputs={"x": "mfcc-music/mfcc"})
add("filters", "mel", "librosa.filters.mel",
    {"n_mels": 40, "fmin": 0.0, "fmax": 11025.0, "htk": False, "norm": "slaney", "n_fft": 512, "sr": RATE},
    lambda: librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40, fmax=11025.0), "value")

long = {"sr": RATE, "n_fft": 2048, "hop_length": 512, "win_length": 2048, "window": "hann", "center": True, "pad_mode": "constant"}
add("chroma", "chroma_stft-song", "librosa.feature.chroma_stft",
    {"n_chroma": 12, "tuning": None, "ctroct": 5.0, "octwidth": 2, "norm": "inf", "base_c": True, **long},
    lambda y: librosa.feature.chroma_stft(y=y, **long), "chroma", "song")
cqt = {
    "sr": RATE, "hop_length": 1024, "fmin": 65.0, "n_bins": 48, "bins_per_octave": 12, "tuning": 0.0, "filter_scale": 1, "norm": 1,
    "sparsity": 0.01, "window": "hann", "scale": True, "pad_mode": "constant", "res_type": "polyphase",
}
add("cqt", "cqt-song", "librosa.cqt", cqt, lambda y: librosa.cqt(y, **cqt), "C", "song")
bands = {"n_mels": 128, "fmin": 0.0, "fmax": 11025.0, "htk": False, "norm": "slaney", **long}
add("onset", "strength-song", "librosa.onset.onset_strength",
    bands | {"lag": 1, "max_size": 1, "detrend": False, "aggregate": None},
    lambda y: librosa.onset.onset_strength(y=y, sr=RATE), "envelope", "song")
tempo = {"sr": RATE, "hop_length": 512, "start_bpm": 120, "std_bpm": 1.0, "ac_size": 8.0, "max_tempo": 320.0}
add("rhythm", "tempo-song", "librosa.feature.tempo", tempo | {"aggregate": "mean"},
    lambda onset_envelope: librosa.feature.tempo(onset_envelope=onset_envelope, **tempo), "bpm",
    inputs={"onset_envelope": "strength-song/envelope"}, compare="elementwise")
add("hpss", "harmonic-song", "librosa.effects.harmonic",
    {"kernel_size": 31, "power": 2.0, "mask": False, "margin": 1.0} | {k: v for k, v in long.items() if k != "sr"},
    lambda y: librosa.effects.harmonic(y), "y", "song")
pcen = {"sr": RATE, "hop_length": 256, "gain": 0.98, "bias": 2.0, "power": 0.5, "time_constant": 0.4, "eps": 1e-6, "b": None, "max_size": 1}
add("pcen", "pcen-music", "librosa.pcen", pcen | {"zi": None}, lambda S: librosa.pcen(S, **pcen), "P", inputs={"S": "slaney-music/S"})
yin = {"sr": RATE, "frame_length": 2048, "hop_length": 512, "trough_threshold": 0.1, "center": True, "pad_mode": "constant", "fmin": 100.0, "fmax": 900.0}
add("pitch", "yin-song", "librosa.yin", yin, lambda y: librosa.yin(y, **yin), "f0", "song", compare="agreement", agreement=0.97)


def gtzan57(y):
    """The columns of GTZAN's table, population variances in float64."""
    options = {"sr": RATE}
    envelope = librosa.onset.onset_strength(y=y, sr=RATE, aggregate=np.median)
    features = [
        librosa.feature.chroma_stft(y=y, **options), librosa.feature.rms(y=y), librosa.feature.spectral_centroid(y=y, **options),
        librosa.feature.spectral_bandwidth(y=y, **options), librosa.feature.spectral_rolloff(y=y, **options),
        librosa.feature.zero_crossing_rate(y), *librosa.effects.hpss(y), *librosa.feature.mfcc(y=y, **options),
    ]
    values = [f(feature.astype(np.float64)) for feature in features for f in (np.mean, np.var)]
    return np.array(values[:16] + [librosa.feature.tempo(onset_envelope=envelope, sr=RATE)[0]] + values[16:])


names = ["chroma_stft", "rms", "spectral_centroid", "spectral_bandwidth", "rolloff", "zero_crossing_rate", "harmony", "perceptr"]
names = [f"{name}_{s}" for name in names for s in ("mean", "var")] + ["tempo"]
names += [f"mfcc{i}_{s}" for i in range(1, 21) for s in ("mean", "var")]
add("gtzan57", "gtzan57-song", "57 columns of GTZAN features_3_sec.csv",
    {"sr": RATE, "n_fft": 2048, "hop_length": 512, "n_mfcc": 20, "n_mels": 128, "tuning": None, "roll_percent": 0.85, "columns": names},
    gtzan57, "values", "song")
value, double = arrays["gtzan57-song/values"], gtzan57(song.astype(np.float64))
librosa.set_fftlib(SinglePrecision)
drift = np.maximum(np.abs(value - double), np.abs(value - gtzan57(song)))
librosa.set_fftlib()
arrays["gtzan57-song/tolerance"] = np.maximum(1e-6 * np.abs(value) + 1e-8, 8 * drift).astype(np.float32)
cases[-1] |= {"rtol": 0.0, "atol": 0.0, "compare": "elementwise", "tolerance_output": "tolerance"}
cases[-1]["outputs"].append(
    {"name": "tolerance", "file": "golden.npz", "key": "gtzan57-song/tolerance", "shape": [57], "dtype": "float32"}
)

np.savez_compressed(HERE / "golden.npz", **arrays)
references = {"librosa": librosa.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
index = {"format": 1, "references": references, "signals": signals, "cases": cases}
(HERE / "index.json").write_text(json.dumps(index, indent=1) + "\n")
print(len(cases), "cases")
