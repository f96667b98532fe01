//! A run's curves as an event file for TensorBoard: `tensorboard --logdir RUN_FOLDER`.
//!
//! The format is TensorFlow's: records of `tensorflow/core/lib/io/record_writer.cc`, each an `Event` of
//! `tensorflow/core/util/event.proto`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::record::{EpochRecord, TermMean};

/// TensorBoard looks for `tfevents` in the name.
pub const EVENTS: &str = "events.out.tfevents.almt-data";

/// Content of an event: message fields with their numbers.
enum Content {
    /// `file_version`, field 3, of the first event.
    Version(&'static str),
    /// `step`, 2, and `summary`, 5, which has a `value`, 1, for each `tag`, 1, with a `simple_value`, 2.
    Scalars(usize, Vec<(String, f32)>),
}

/// The `Event` message in the wire format of Protocol Buffers. As in `proto3`, zeros are omitted.
fn encode(wall_time: f64, content: &Content) -> Vec<u8> {
    let mut event = Vec::new();
    key(&mut event, 1, Wire::Fixed64);
    event.extend(wall_time.to_le_bytes());
    match content {
        Content::Version(version) => bytes(&mut event, 3, version.as_bytes()),
        Content::Scalars(step, scalars) => {
            let mut summary = Vec::new();
            for (tag, value) in scalars {
                let mut scalar = Vec::new();
                bytes(&mut scalar, 1, tag.as_bytes());
                if *value != 0.0 {
                    key(&mut scalar, 2, Wire::Fixed32);
                    scalar.extend(value.to_le_bytes());
                }
                bytes(&mut summary, 1, &scalar);
            }
            key(&mut event, 2, Wire::Varint);
            varint(&mut event, *step);
            bytes(&mut event, 5, &summary);
        }
    }
    event
}

/// Wire types.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// Writes a field's key.
fn key(out: &mut Vec<u8>, field: usize, wire: Wire) {
    varint(out, field << 3 | wire as usize);
}

fn bytes(out: &mut Vec<u8>, field: usize, content: &[u8]) {
    key(out, field, Wire::Bytes);
    varint(out, content.len());
    out.extend(content);
}

/// Seven bits per byte, lowest first; all but the last byte have their top bit set.
fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An open event file.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Creates a run folder's event file, replacing any old one.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn create(folder: &Path) -> io::Result<EventFile> {
        let mut events = EventFile { file: File::create(folder.join(EVENTS))? };
        events.write(&Content::Version("brain.Event:2"))?;
        Ok(events)
    }

    /// Adds an epoch's figures; NaNs are omitted.
    ///
    /// # Errors
    /// The disk is full.
    pub fn add(&mut self, record: &EpochRecord) -> io::Result<()> {
        let train = [
            ("train/loss".to_owned(), record.train_loss),
            ("train/MAE".to_owned(), record.train_mae),
            ("lr".to_owned(), record.lr),
        ];
        let of_term = |it: &TermMean| (format!("train/{}/{}", it.phase, it.term), it.mean);
        let terms = record.train_terms.iter().map(of_term);
        let loss = record.valid_loss.map(|loss| ("valid/loss".to_owned(), loss));
        let valid = record.valid.iter().map(|(name, value)| (format!("valid/{name}"), value));
        let test = record.test.iter().flat_map(super::metrics::Metrics::iter);
        let test = test.map(|(name, value)| (format!("test/{name}"), value));
        let value = train
            .into_iter()
            .chain(terms)
            .chain(loss)
            .chain(valid)
            .chain(test)
            .filter(|(_, value)| !value.is_nan())
            .map(|(tag, value)| (tag, value as f32))
            .collect();
        self.write(&Content::Scalars(record.epoch, value))
    }

    fn write(&mut self, content: &Content) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let data = encode(now.as_secs_f64(), content);
        let length = (data.len() as u64).to_le_bytes();
        // One write per record, so that readers rarely see a partial one.
        let record = [
            &length[..],
            &masked_crc(&length).to_le_bytes(),
            &data,
            &masked_crc(&data).to_le_bytes(),
        ]
        .concat();
        self.file.write_all(&record)
    }
}

/// CRC-32C, rotated and shifted by a constant, as in the records.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, bit by bit: an epoch has only about a thousand bytes.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes from a Protocol Buffers library.
    #[test]
    fn events_have_the_wire_format() {
        let scalars = vec![("lr".to_owned(), 0.0), ("a".repeat(130), 1.5)];
        let long =
            [&[0x0a, 0x8a, 0x01, 0x0a, 0x82, 0x01][..], &[b'a'; 130], &[0x15, 0, 0, 0xc0, 0x3f]];
        let expected = [
            &[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02, 0x2a, 0x93, 0x01][..],
            &[0x0a, 0x04, 0x0a, 0x02, b'l', b'r'],
            &long.concat(),
        ];
        assert_eq!(encode(1.5, &Content::Scalars(300, scalars)), expected.concat());
    }

    /// The check value of the algorithm's catalogue.
    #[test]
    fn the_checksum_is_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
