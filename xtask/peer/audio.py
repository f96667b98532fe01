"""What librosa computes of synthetic clips, as the code that CH-SIMS was made with calls it (MMSA
`data/getFeature.py`: zero-crossing rate, 20 MFCC with `htk=True`, `chroma_cqt`).

    audio.py make FOLDER        writes the clips as WAV, with what librosa computes of each as .npy
    audio.py compare FOLDER     compares NAME.ours.npy with it
    audio.py record FILE        writes the values that a test compares with
    audio.py time N FILE...     prints the seconds for all files in the median of N rounds, after one
                                that warms up

Pass OMP_NUM_THREADS=1 for one thread.
"""

import json
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import librosa
import numpy as np
import soundfile

warnings.filterwarnings("ignore", message="n_fft=")
warnings.filterwarnings("ignore", message="Trying to estimate tuning")

RATE = 22050
# Largest difference of an MFCC, and mean difference of chroma.
MFCC, CHROMA = 1e-3, 0.02


def times(rate, seconds):
    return np.arange(int(rate * seconds)) / rate


def tone(rate, seconds, hertz, level=0.5):
    return level * np.sin(2 * np.pi * hertz * times(rate, seconds))


def chirp(rate, seconds, first, last, level=0.5):
    t = times(rate, seconds)
    return level * np.sin(2 * np.pi * (first * t + (last - first) / (2 * seconds) * t * t))


def noise(rate, seconds, seed, level=0.3):
    return level * np.random.default_rng(seed).uniform(-1, 1, int(rate * seconds))


def voice(rate, seconds, seed):
    """Harmonics of a gliding pitch under slow envelopes, with pauses and a little noise."""
    t = times(rate, seconds)
    random = np.random.default_rng(seed)
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * t) + 15 * np.sin(2 * np.pi * 2.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    total = np.zeros_like(t)
    for k in range(1, 40):
        if k * 195 < rate / 2:
            total += np.sin(k * phase + random.uniform(0, 6)) / k**1.2 * (1 + 0.5 * np.sin(t * k))
    envelope = np.clip(np.sin(2 * np.pi * 1.3 * t) + 0.3, 0, 1)
    return 0.15 * total * envelope + 0.001 * random.standard_normal(len(t))


def clips():
    """Name, rate, samples `[sample]` or `[sample, channel]`, WAV's type of samples."""
    yield "tone-22050", 22050, tone(22050, 2, 440), "PCM_16"
    yield "tone-high-22050", 22050, tone(22050, 1, 6000), "FLOAT"
    yield "tone-low-22050", 22050, tone(22050, 3, 55.7), "PCM_24"
    yield "chirp-22050", 22050, chirp(22050, 3, 50, 10000), "PCM_16"
    yield "noise-22050", 22050, noise(22050, 3, 1), "FLOAT"
    yield "silence-22050", 22050, np.zeros(22050), "PCM_16"
    yield "short-22050", 22050, voice(22050, 0.1, 2), "PCM_16"
    yield "clipped-22050", 22050, np.clip(tone(22050, 2, 330, 3.0), -1, 1), "PCM_16"
    yield "voice-22050", 22050, voice(22050, 20, 3), "PCM_16"
    yield "stereo-22050", 22050, np.stack([voice(22050, 4, 4), noise(22050, 4, 5)], 1), "PCM_16"
    yield "voice-8000", 8000, voice(8000, 5, 6), "PCM_16"
    yield "noise-8000", 8000, noise(8000, 2, 7), "PCM_U8"
    yield "noise-11025", 11025, noise(11025, 2, 8), "PCM_16"
    yield "chirp-16000", 16000, chirp(16000, 4, 100, 7900), "PCM_16"
    yield "voice-16000", 16000, voice(16000, 10, 9), "PCM_16"
    yield "voice-24000", 24000, voice(24000, 3, 10), "PCM_16"
    yield "noise-32000", 32000, noise(32000, 2, 11), "PCM_16"
    yield "voice-44100", 44100, voice(44100, 8, 12), "PCM_16"
    stereo = np.stack([chirp(48000, 5, 20, 20000), voice(48000, 5, 13)], 1)
    yield "stereo-48000", 48000, stereo, "PCM_24"
    yield "clipped-48000", 48000, np.clip(noise(48000, 4, 14, 2.0), -1, 1), "PCM_16"


def columns(path):
    """The 33 columns `[frame, column]`."""
    y, rate = librosa.load(path)
    crossings = librosa.feature.zero_crossing_rate(y=y, hop_length=512)
    mfcc = librosa.feature.mfcc(y=y, sr=rate, hop_length=512, htk=True)
    chroma = librosa.feature.chroma_cqt(y=y, sr=rate, hop_length=512)
    return np.concatenate([crossings, mfcc, chroma]).T.astype(np.float32)


# What the test of `src/audio/tests.rs` makes too: name, rate, channels, samples, hertz, share of noise.
RECORDED = [
    ("voice", 22050, 1, 11025, 311.1, 0.02),
    ("upsampled", 16000, 2, 8001, 523.3, 0.1),
    ("downsampled", 48000, 1, 14400, 207.7, 0.3),
    ("halved", 44100, 2, 8820, 1318.5, 0.05),
    ("silence", 22050, 1, 2048, 0.0, 0.0),
]


def recorded(rate, n_channels, n_samples, hertz, share):
    """Harmonics of a tone that fades, and noise, as integers of 16 bits: `[sample, channel]`."""
    state, rows = 1, []
    for k in range(n_samples):
        row = []
        for channel in range(n_channels):
            state = (state * 1103515245 + 12345) % (1 << 31)
            noise = (state >> 15) / 65536 * 2 - 1
            turns = hertz * (k / rate) * (channel + 1)
            tone = sum(np.sin(2 * np.pi * turns * n) / n for n in (1, 2, 3))
            fade = 1 - k / n_samples
            row.append(round(16000 * (tone * fade * (1 - share) * 0.5 + noise * share)) if hertz else 0)
        rows.append(row)
    return np.array(rows, np.int16)


def record(target):
    found = {"librosa": librosa.__version__, "clips": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, *clip in RECORDED:
            path = Path(folder) / "clip.wav"
            soundfile.write(path, recorded(*clip), clip[0], subtype="PCM_16")
            rows = [[float(f"{value:.7g}") for value in row] for row in columns(path)]
            keys = ["rate", "n_channels", "n_samples", "hertz", "noise"]
            found["clips"].append({"name": name, **dict(zip(keys, clip)), "rows": rows})
    text = json.dumps(found, separators=(",", ":")).replace("],[", "],\n[").replace('{"name"', '\n{"name"')
    Path(target).write_text(text + "\n")


def make(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, rate, samples, kind in clips():
        path = folder / f"{name}.wav"
        soundfile.write(path, samples, rate, subtype=kind)
        np.save(folder / f"{name}.npy", columns(path))


def compare(folder):
    print(f"librosa {librosa.__version__}")
    print(f"{'':<18}{'frames':>7} {'MFCC, largest':>14} {'crossings':>10} {'chroma, mean':>13} {'largest':>9}")
    failed = []
    for name, *_ in clips():
        theirs = np.load(Path(folder) / f"{name}.npy")
        ours = np.load(Path(folder) / f"{name}.ours.npy")
        assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
        off = np.abs(ours.astype(float) - theirs)
        # Differences of counts, not of shares.
        crossings = round(off[:, 0].max() * 2048)
        mfcc, chroma = off[:, 1:21].max(), off[:, 21:].mean()
        print(f"{name:<18}{len(ours):>7} {mfcc:>14.1e} {crossings:>10} {chroma:>13.1e} {off[:, 21:].max():>9.1e}")
        if not (mfcc <= MFCC and crossings == 0 and chroma <= CHROMA):
            failed.append(name)
    if failed:
        sys.exit(f"differs: {', '.join(failed)}")


def measure(n, *paths):
    rounds = []
    for turn in range(int(n) + 1):
        start = time.perf_counter()
        for path in paths:
            columns(path)
        rounds.append(time.perf_counter() - start)
    print(statistics.median(rounds[1:]))


task, *rest = sys.argv[1:]
{"make": make, "compare": compare, "record": record, "time": measure}[task](*rest)
