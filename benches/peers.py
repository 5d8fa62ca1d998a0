#!/usr/bin/env python3
"""Times librosa, and torchaudio where it is installed, on the clip of bench_table, one thread each.

    python3 -m pip install librosa torch torchaudio
    python3 benches/peers.py peers.json
    cargo run --release -p benches --example bench_table -- --peers peers.json --write docs/BENCHMARKS.md

The JSON maps a feature of bench_table to the milliseconds of each library, medians of interleaved rounds.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import json
import statistics
import sys
import time

import librosa
import numpy as np

SECONDS = 30
ROUNDS = 7


def clip(sample_rate):
    """Tones over noise, as bench_table makes them."""
    i = np.arange(sample_rate * SECONDS)
    noise = np.random.default_rng(1).random(len(i)) - 0.5
    return (0.4 * np.sin(i * 0.05) + 0.2 * np.sin(i * 0.31) + 0.1 * noise).astype(np.float32)


def librosa_calls(y):
    feature = librosa.feature

    def hpss():
        return librosa.decompose.hpss(librosa.stft(y))

    def log_mel():
        return librosa.power_to_db(feature.melspectrogram(y=y))

    return {
        "stft": lambda: librosa.stft(y),
        "mel128": lambda: feature.melspectrogram(y=y),
        "log_mel128": log_mel,
        "mfcc20": lambda: feature.mfcc(y=y),
        "chroma_stft_given": lambda: feature.chroma_stft(y=y, tuning=0.0),
        "chroma_stft_estimated": lambda: feature.chroma_stft(y=y),
        "spectral_contrast": lambda: feature.spectral_contrast(y=y),
        "spectral_centroid": lambda: feature.spectral_centroid(y=y),
        "spectral_bandwidth": lambda: feature.spectral_bandwidth(y=y),
        "spectral_rolloff": lambda: feature.spectral_rolloff(y=y),
        "onset_strength": lambda: librosa.onset.onset_strength(y=y),
        "tempo": lambda: feature.tempo(y=y),
        "beat_track": lambda: librosa.beat.beat_track(y=y),
        "cqt84": lambda: librosa.cqt(y),
        "chroma_cqt": lambda: feature.chroma_cqt(y=y),
        "hpss31x31": hpss,
    }


def torchaudio_calls(y, y_16k):
    import torch
    import torchaudio

    torch.set_num_threads(1)
    samples = torch.from_numpy(y)
    kaldi = torch.from_numpy(y_16k)[None]
    transforms = torchaudio.transforms
    power = {"n_fft": 2048, "hop_length": 512}
    spectrogram = transforms.Spectrogram(power=None, **power)
    mel = transforms.MelSpectrogram(sample_rate=22050, n_mels=128, **power)
    decibels = transforms.AmplitudeToDB()
    mfcc = transforms.MFCC(sample_rate=22050, n_mfcc=20, melkwargs={"n_mels": 128, **power})
    centroid = transforms.SpectralCentroid(22050, **power)
    fbank = torchaudio.compliance.kaldi.fbank
    return {
        "stft": lambda: spectrogram(samples),
        "mel128": lambda: mel(samples),
        "log_mel128": lambda: decibels(mel(samples)),
        "mfcc20": lambda: mfcc(samples),
        "spectral_centroid": lambda: centroid(samples),
        "kaldi_fbank80_16k": lambda: fbank(kaldi, num_mel_bins=80, dither=0.0),
    }


def measure(calls):
    times = {name: [] for name in calls}
    for round_number in range(ROUNDS + 1):
        for name, call in calls.items():
            start = time.thread_time()
            call()
            # The first round compiles and fills caches.
            if round_number > 0:
                times[name].append((time.thread_time() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    y, y_16k = clip(22050), clip(16000)
    peers = {f"librosa {librosa.__version__}": measure(librosa_calls(y))}
    try:
        calls = torchaudio_calls(y, y_16k)
    except ImportError as error:
        print(f"torchaudio is left out: {error}", file=sys.stderr)
    else:
        import torchaudio

        peers[f"torchaudio {torchaudio.__version__}"] = measure(calls)
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(peers, file, indent=1)
    print(json.dumps(peers, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main()
