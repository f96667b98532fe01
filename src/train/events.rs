//! A run's curves as an event file, which TensorBoard reads: `tensorboard --logdir RUN_FOLDER`.
//!
//! The form is TensorFlow's: records of `tensorflow/core/lib/io/record_writer.cc`, each an `Event`
//! of `tensorflow/core/util/event.proto`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::record::EpochRecord;

/// TensorBoard looks for `tfevents` in the name.
pub const EVENTS: &str = "events.out.tfevents.almt-data";

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, tag = "2")]
    simple_value: f32,
}

/// An open event file.
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// Begins the event file of a run folder anew.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn create(folder: &Path) -> io::Result<EventFile> {
        let mut events = EventFile { file: File::create(folder.join(EVENTS))? };
        events.write(&Event { file_version: Some("brain.Event:2".into()), ..Event::default() })?;
        Ok(events)
    }

    /// Adds the figures of an epoch; those that are NaN are left out.
    ///
    /// # Errors
    /// The disk is full.
    pub fn add(&mut self, record: &EpochRecord) -> io::Result<()> {
        let train = [
            ("train/loss".to_owned(), record.train_loss),
            ("train/MAE".to_owned(), record.train_mae),
            ("lr".to_owned(), record.lr),
        ];
        let valid = record.valid.iter().map(|(name, value)| (format!("valid/{name}"), value));
        let test = record.test.iter().flat_map(super::metrics::Metrics::iter);
        let test = test.map(|(name, value)| (format!("test/{name}"), value));
        let value = train
            .into_iter()
            .chain(valid)
            .chain(test)
            .filter(|(_, value)| !value.is_nan())
            .map(|(tag, value)| Scalar { tag, simple_value: value as f32 })
            .collect();
        self.write(&Event {
            step: record.epoch as i64,
            summary: Some(Summary { value }),
            ..Event::default()
        })
    }

    fn write(&mut self, event: &Event) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let event = Event { wall_time: now.as_secs_f64(), ..event.clone() };
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        // One write per record, so that a reader never sees half of one for long.
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

/// CRC-32C, rotated and shifted by a constant, as the records have it.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}
