//! Reads an audio file and mixes its channels, like `librosa.load` before it resamples.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_AIFF, FORMAT_ID_FLAC, FORMAT_ID_WAVE};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use super::error::AudioCause;
use super::wav;
use crate::chain::Said;

/// Rates of real recordings, in hertz.
const LOWEST_RATE: u32 = 1_000;
const HIGHEST_RATE: u32 = 768_000;

/// More channels than cinemas have.
const MAX_CHANNELS: usize = 64;

/// Bytes that tell the kind of a file.
const START_LEN: u64 = 12;

/// A signal of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Samples, usually in [-1, 1].
    pub samples: Vec<f32>,
    /// Samples per second.
    pub rate: u32,
}

/// Reads the first audio track of a file, and takes the mean of its channels.
///
/// # Errors
/// The file cannot be read as audio, ends too early, has no sample or one that is no number, or is longer than
/// `max_seconds`. Memory grows with what is decoded, never with what a header states.
pub fn decode(path: &Path, max_seconds: f64) -> Result<Signal, AudioCause> {
    let mut file = File::open(path).map_err(AudioCause::Read)?;
    if file.metadata().map_err(AudioCause::Read)?.is_dir() {
        return Err(AudioCause::Read(io::ErrorKind::IsADirectory.into()));
    }
    let mut start = Vec::new();
    file.by_ref().take(START_LEN).read_to_end(&mut start).map_err(AudioCause::Read)?;
    if start.is_empty() {
        return Err(AudioCause::Empty);
    }
    if !is_known(&start) {
        return Err(AudioCause::Kind);
    }
    let source: Box<dyn MediaSource> =
        match wav::header_with_sizes(&mut file).map_err(AudioCause::Read)? {
            Some(header) => Box::new(ReadOnlySource::new(Cursor::new(header).chain(file))),
            None => {
                file.rewind().map_err(AudioCause::Read)?;
                Box::new(file)
            }
        };
    let stream = MediaSourceStream::new(source, Default::default());
    // A decoder that gives up must not end the work on other files.
    panic::catch_unwind(AssertUnwindSafe(|| read(stream, max_seconds))).unwrap_or_else(|_| {
        let problem = Said("the decoder cannot go on".into());
        Err(AudioCause::Damaged { n_samples: 0, problem })
    })
}

/// Whether a file that starts so is of a kind that is read. Without this, the decoders of streams would search
/// anything for something like one of their packets.
fn is_known(start: &[u8]) -> bool {
    let part = |from: usize, wanted: &[u8]| start.get(from..from + wanted.len()) == Some(wanted);
    let is_packet = matches!(start, [0xFF, second, ..] if second & 0xE0 == 0xE0);
    let of_form = |form: &[u8]| part(8, form);
    is_packet
        || (part(0, b"RIFF") && of_form(b"WAVE"))
        || (part(0, b"FORM") && (of_form(b"AIFF") || of_form(b"AIFC")))
        || [&b"fLaC"[..], b"OggS", b"ID3"].iter().any(|wanted| part(0, wanted))
        || part(4, b"ftyp")
}

fn read(stream: MediaSourceStream<'static>, max_seconds: f64) -> Result<Signal, AudioCause> {
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let reader = symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata);
    let mut track = Track::new(reader.map_err(start_failed)?, max_seconds)?;
    while track.read()? {}
    track.finish()
}

/// The audio track of a file, and what is read of it.
struct Track<'s> {
    reader: Box<dyn FormatReader + 's>,
    id: u32,
    decoder: Box<dyn AudioDecoder>,
    /// Samples of each channel, where the kind of file states it exactly.
    n_stated: Option<u64>,
    max_seconds: f64,
    n_channels: usize,
    packet: Vec<f32>,
    signal: Signal,
}

impl<'s> Track<'s> {
    fn new(reader: Box<dyn FormatReader + 's>, max_seconds: f64) -> Result<Track<'s>, AudioCause> {
        let track = reader.default_track(TrackType::Audio).ok_or(AudioCause::NoAudio)?;
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or(AudioCause::NoAudio)?;
        // Some kinds of files leave the rate to the coded audio.
        let rate = parameters.sample_rate.unwrap_or_default();
        if let Some(rate) = parameters.sample_rate {
            check_rate(rate)?;
        }
        let n_channels = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        if parameters.channels.is_some() {
            check_channels(n_channels)?;
        }
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|error| AudioCause::Codec(Said(error.to_string())))?;
        // Others estimate it, or count what a player leaves out.
        let exact =
            [FORMAT_ID_WAVE, FORMAT_ID_AIFF, FORMAT_ID_FLAC].contains(&reader.format_info().format);
        let (id, n_stated) = (track.id, track.num_frames.filter(|_| exact));
        let signal = Signal { samples: Vec::new(), rate };
        let packet = Vec::new();
        Ok(Track { reader, id, decoder, n_stated, max_seconds, n_channels, packet, signal })
    }

    /// Reads a packet; false at the end.
    fn read(&mut self) -> Result<bool, AudioCause> {
        let packet = match self.reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(false),
            Err(error) => return Err(self.failed(error)),
        };
        if packet.track_id != self.id {
            return Ok(true);
        }
        match self.decoder.decode(&packet) {
            Ok(audio) => {
                let n_samples = self.signal.samples.len();
                take(&audio, &mut self.signal.rate, &mut self.n_channels, n_samples)?;
                audio.copy_to_vec_interleaved(&mut self.packet);
            }
            Err(error) => return Err(self.failed(error)),
        }
        mix(&self.packet, self.n_channels, &mut self.signal.samples);
        if self.signal.samples.len() as f64 > self.max_seconds * f64::from(self.signal.rate) {
            return Err(AudioCause::TooLong { limit: self.max_seconds });
        }
        Ok(true)
    }

    fn failed(&self, error: Error) -> AudioCause {
        let n_samples = self.signal.samples.len();
        match error {
            Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                AudioCause::Cut { found: n_samples as u64, expected: self.n_stated }
            }
            Error::IoError(error) => AudioCause::Read(error),
            Error::ResetRequired => AudioCause::Changes { n_samples },
            error => AudioCause::Damaged { n_samples, problem: Said(error.to_string()) },
        }
    }

    fn finish(mut self) -> Result<Signal, AudioCause> {
        let samples = &mut self.signal.samples;
        if let Some(stated) = self.n_stated {
            let found = samples.len() as u64;
            if found < stated {
                return Err(AudioCause::Cut { found, expected: Some(stated) });
            }
            // The last block of a code by blocks may be longer.
            samples.truncate(usize::try_from(stated).unwrap_or(usize::MAX));
        }
        if samples.is_empty() {
            return Err(AudioCause::NoSamples);
        }
        let mut numbered = samples.iter().enumerate();
        match numbered.find(|(_, value)| !value.is_finite()) {
            Some((sample_idx, value)) => Err(AudioCause::NotFinite { sample_idx, value: *value }),
            None => Ok(self.signal),
        }
    }
}

/// Rate and number of channels of a packet, which must be those of the packets before.
fn take(
    audio: &GenericAudioBufferRef<'_>,
    rate: &mut u32,
    n_channels: &mut usize,
    n_samples: usize,
) -> Result<(), AudioCause> {
    let spec = audio.spec();
    let found = (spec.rate(), spec.channels().count());
    if n_samples > 0 && found != (*rate, *n_channels) {
        return Err(AudioCause::Changes { n_samples });
    }
    (*rate, *n_channels) = found;
    check_rate(*rate)?;
    check_channels(*n_channels)
}

fn check_rate(found: u32) -> Result<(), AudioCause> {
    let (lowest, highest) = (LOWEST_RATE, HIGHEST_RATE);
    match (lowest..=highest).contains(&found) {
        true => Ok(()),
        false => Err(AudioCause::Rate { found, lowest, highest }),
    }
}

fn check_channels(found: usize) -> Result<(), AudioCause> {
    match (1..=MAX_CHANNELS).contains(&found) {
        true => Ok(()),
        false => Err(AudioCause::Channels { found, limit: MAX_CHANNELS }),
    }
}

/// Appends the mean of `n_channels` interleaved channels.
fn mix(interleaved: &[f32], n_channels: usize, samples: &mut Vec<f32>) {
    match n_channels {
        0 => {}
        1 => samples.extend_from_slice(interleaved),
        _ => samples.extend(
            interleaved
                .chunks_exact(n_channels)
                .map(|values| values.iter().sum::<f32>() / n_channels as f32),
        ),
    }
}

/// Why the beginning of a file of a known kind cannot be read.
fn start_failed(error: Error) -> AudioCause {
    match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            AudioCause::Cut { found: 0, expected: None }
        }
        Error::IoError(error) => AudioCause::Read(error),
        error => AudioCause::Damaged { n_samples: 0, problem: Said(error.to_string()) },
    }
}
