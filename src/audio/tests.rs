//! Features against values that librosa computed (`fixtures/audio/librosa.json`), and files that are no
//! audio or damaged.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{AudioCause, AudioOptions, COLUMNS, N_COLUMNS, clips, decode, features, folder};
use crate::chain::chain;

/// Largest difference of an MFCC.
const MFCC_TOLERANCE: f32 = 1e-3;

/// Mean difference of chroma.
const CHROMA_TOLERANCE: f32 = 0.002;

#[derive(Deserialize)]
struct Recorded {
    clips: Vec<Clip>,
}

#[derive(Deserialize)]
struct Clip {
    name: String,
    rate: u32,
    n_channels: u16,
    n_samples: u32,
    hertz: f64,
    noise: f64,
    rows: Vec<Vec<f32>>,
}

/// The clip as `recorded` of `xtask/peer/audio.py` makes it, interleaved.
fn samples(clip: &Clip) -> Vec<i16> {
    let mut state = 1_u64;
    let mut samples = Vec::new();
    for k in 0..clip.n_samples {
        for channel in 1..=clip.n_channels {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            let noise = (state >> 15) as f64 / 65_536.0 * 2.0 - 1.0;
            let turns = clip.hertz * (f64::from(k) / f64::from(clip.rate)) * f64::from(channel);
            let tone: f64 = (1..=3).map(f64::from).map(|n| (TAU * turns * n).sin() / n).sum();
            let fade = 1.0 - f64::from(k) / f64::from(clip.n_samples);
            let value = 16_000.0 * (tone * fade * (1.0 - clip.noise) * 0.5 + noise * clip.noise);
            samples.push(if clip.hertz > 0.0 { value.round_ties_even() as i16 } else { 0 });
        }
    }
    samples
}

/// A WAV file of 16-bit samples.
fn wav(rate: u32, n_channels: u16, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    wav_of(1, 16, rate, n_channels, &data)
}

fn wav_of(format: u16, n_bits: u16, rate: u32, n_channels: u16, data: &[u8]) -> Vec<u8> {
    let frame_len = n_channels * n_bits / 8;
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(format.to_le_bytes());
    file.extend(n_channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend(rate.wrapping_mul(u32::from(frame_len)).to_le_bytes());
    file.extend(frame_len.to_le_bytes());
    file.extend(n_bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn features_are_those_of_librosa() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audio/librosa.json");
    let recorded: Recorded = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(recorded.clips.len(), 5);
    let folder = tempfile::tempdir().unwrap();
    for clip in &recorded.clips {
        let file = wav(clip.rate, clip.n_channels, &samples(clip));
        let path = put(folder.path(), "clip.wav", &file);
        let found = features(&path, &AudioOptions::default()).unwrap();
        assert_eq!(found.dim(), (clip.rows.len(), N_COLUMNS), "{}", clip.name);
        let (mut mfcc, mut chroma) = (0.0_f32, 0.0);
        for (frame, (row, expected)) in found.rows().into_iter().zip(&clip.rows).enumerate() {
            assert!((row[0] - expected[0]).abs() < 1e-6, "{} {frame}", clip.name);
            let off = |column: usize| (row[column] - expected[column]).abs();
            mfcc = (1..21).map(off).fold(mfcc, f32::max);
            chroma += (21..N_COLUMNS).map(off).sum::<f32>();
        }
        chroma /= (12 * clip.rows.len()) as f32;
        assert!(
            mfcc < MFCC_TOLERANCE && chroma < CHROMA_TOLERANCE,
            "{} {mfcc} {chroma}",
            clip.name
        );
    }
}

#[test]
fn the_columns_are_named_for_what_they_hold() {
    assert_eq!(
        (COLUMNS[0], COLUMNS[1], COLUMNS[21]),
        ("zero_crossing_rate", "mfcc_0", "chroma_cqt_0")
    );
    let mut names = COLUMNS.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), N_COLUMNS);
}

#[test]
fn a_pure_tone_has_its_pitch_class_and_its_crossings() {
    // A4 at a level of 0.5: 440 periods per second.
    let samples: Vec<i16> = (0..22_050)
        .map(|k| (16_384.0 * (TAU * 440.0 * f64::from(k) / 22_050.0).sin()) as i16)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path(), "a.wav", &wav(22_050, 1, &samples));
    let found = features(&path, &AudioOptions::default()).unwrap();
    let row = found.row(20);
    assert_eq!((row[21 + 9], found.nrows()), (1.0, 44));
    assert!((row[0] - 880.0 / 22_050.0).abs() < 2.0 / 2048.0, "{}", row[0]);
}

#[test]
fn samples_of_every_width_are_read_and_channels_are_averaged() {
    let folder = tempfile::tempdir().unwrap();
    let read = |format, n_bits, n_channels, data: &[u8]| {
        let file = wav_of(format, n_bits, 22_050, n_channels, data);
        decode(&put(folder.path(), "clip.wav", &file), 1.0).unwrap().samples
    };
    assert_eq!(read(1, 8, 1, &[0, 128, 192]), [-1.0, 0.0, 0.5]);
    assert_eq!(read(1, 16, 1, &[0, 0x80, 0, 0x40]), [-1.0, 0.5]);
    assert_eq!(read(1, 24, 1, &[0, 0, 0x80, 0, 0, 0x40]), [-1.0, 0.5]);
    assert_eq!(read(1, 32, 1, &[0, 0, 0, 0x40]), [0.5]);
    let floats: Vec<u8> = [0.25_f32, -3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(read(3, 32, 1, &floats), [0.25, -3.0]);
    assert_eq!(read(1, 16, 2, &[0, 0x40, 0, 0, 0, 0x20, 0, 0x60]), [0.25, 0.5]);
}

/// What is said of a file.
fn refusal(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path(), name, bytes);
    let options = AudioOptions { max_seconds: 1.0 };
    let error = features(&path, &options).unwrap_err();
    let text = chain(&error);
    text.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&text).to_owned()
}

#[test]
fn what_is_no_audio_or_damaged_is_refused_with_the_reason() {
    let whole = wav(22_050, 1, &[100; 4000]);
    let cut = &whole[..whole.len() - 1000];
    let floats: Vec<u8> = [0.0, f32::NAN].iter().flat_map(|value| value.to_le_bytes()).collect();
    let cases: [(&str, &[u8], &str); 11] = [
        ("empty.wav", b"", "the file is empty"),
        ("text.wav", &b"no audio at all".repeat(100), "neither WAV"),
        ("cut.wav", cut, "samples of 4000: the file was cut short"),
        ("header.wav", &whole[..30], "the file was cut short"),
        ("none.wav", &wav(22_050, 1, &[]), "audio without a sample"),
        ("rate.wav", &wav(0, 1, &[1; 10]), "a sampling rate of 0 Hz"),
        ("fast.wav", &wav(2_000_000, 1, &[1; 10]), "possible are 1000 to 768000 Hz"),
        ("channels.wav", &wav(22_050, 0, &[1; 10]), "channel"),
        ("many.wav", &wav(22_050, 900, &[1; 900]), "channel"),
        ("nan.wav", &wav_of(3, 32, 22_050, 1, &floats), "sample 1 is NaN"),
        ("long.wav", &wav(1_000, 1, &[1; 4000]), "longer than 1 seconds, the limit"),
    ];
    for (name, bytes, expected) in cases {
        let found = refusal(name, bytes);
        assert!(found.contains(expected), "{name}: {found}");
    }
    let mut coded = whole;
    // A format that nothing reads.
    coded[20..22].copy_from_slice(&0x4321_u16.to_le_bytes());
    let found = refusal("coded.wav", &coded);
    assert!(!found.is_empty(), "{found}");
}

#[test]
fn a_wav_that_was_written_to_a_pipe_is_read_to_its_end() {
    let samples: Vec<i16> = (0..15_000_i32).map(|k| (k * k % 9_001 - 4_500) as i16).collect();
    let whole = wav(22_050, 2, &samples);
    let folder = tempfile::tempdir().unwrap();
    let read = |bytes: &[u8]| {
        let path = put(folder.path(), "clip.wav", bytes);
        (decode(&path, 10.0), features(&path, &AudioOptions::default()))
    };
    let expected = read(&whole);
    let (signal, expected) = (expected.0.unwrap(), expected.1.unwrap());
    // The encoder's name, which FFmpeg writes before the samples.
    let name = b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf60.16.100\0";
    let named = [&whole[..36], name, &whole[36..]].concat();
    for (file, data) in [(&whole, 40), (&named, 40 + name.len())] {
        let of_sox = [[0x7FFF_F024, 0x7FFF_F000], [0x7FFF_F044, 0x7FFF_EFFC]];
        for sizes in [[u32::MAX; 2], [0, 0], [u32::MAX, 0], [0, u32::MAX]].into_iter().chain(of_sox)
        {
            let mut file = file.clone();
            for (place, size) in [4, data].into_iter().zip(sizes) {
                file[place..place + 4].copy_from_slice(&size.to_le_bytes());
            }
            let found = read(&file);
            assert_eq!(found.0.unwrap(), signal, "{sizes:?}");
            assert_eq!(found.1.unwrap(), expected, "{sizes:?}");
            // Only the first bytes of a sample.
            file.extend([1, 2, 3]);
            assert_eq!(read(&file).0.unwrap(), signal, "{sizes:?}");
        }
    }
    // Of other sizes, less than they say is less than there was.
    let mut cut = whole[..whole.len() - 1000].to_vec();
    cut[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let found = read(&cut).0.unwrap_err();
    assert!(matches!(found, AudioCause::Cut { expected: Some(7500), .. }), "{found:?}");
    let empty = wav(22_050, 1, &[]);
    let unknown = [&empty[..4], &[0xFF; 4], &empty[8..40], &[0xFF; 4]].concat();
    assert!(matches!(read(&unknown).0, Err(AudioCause::NoSamples)));
}

#[test]
fn a_header_that_promises_much_takes_no_memory() {
    let mut file = wav(22_050, 1, &[5; 2000]);
    for place in [4, 40] {
        file[place..place + 4].copy_from_slice(&0xFFFF_FF00_u32.to_le_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = put(folder.path(), "huge.wav", &file);
    let cause = decode(&path, 1e9).unwrap_err();
    assert!(matches!(cause, AudioCause::Cut { .. } | AudioCause::Damaged { .. }), "{cause:?}");
}

#[test]
fn a_folder_gives_its_clips_in_order_and_each_failure_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("video")).unwrap();
    let file = wav(22_050, 1, &[100; 600]);
    put(dir.path(), "video/b.WAV", &file);
    put(dir.path(), "video/a.wav", b"");
    put(dir.path(), "notes.txt", b"no clip");
    let found = folder(dir.path(), &AudioOptions::default(), &()).unwrap();
    let names: Vec<_> = found.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    assert_eq!(names, ["a.wav", "b.WAV"]);
    assert!(matches!(found[0].1, Err(ref error) if matches!(error.cause, AudioCause::Empty)));
    assert_eq!(found[1].1.as_ref().unwrap().dim(), (2, N_COLUMNS));
    let missing = dir.path().join("missing.wav");
    let error = clips(&[missing], &AudioOptions::default(), &()).remove(0).unwrap_err();
    assert!(chain(&error).ends_with("missing.wav: no such file or folder"), "{}", chain(&error));
    assert!(folder(&dir.path().join("none"), &AudioOptions::default(), &()).is_err());
}
