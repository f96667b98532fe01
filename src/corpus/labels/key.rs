//! Which segment a row of a table is about, however its id is spelled.

use crate::corpus::segment::{clip_of, video_of};

/// A segment, however its id is spelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SegmentKey {
    video: String,
    clip: String,
}

impl SegmentKey {
    /// The segment of an id in any spelling.
    pub fn of(id: &str) -> SegmentKey {
        SegmentKey::new(video_of(id), clip_of(id).unwrap_or_default())
    }

    /// Clips are numbers to some and text to others: `0001` and `1` are the same.
    pub(super) fn new(video: &str, clip: &str) -> SegmentKey {
        let digits = clip.trim_start_matches('0');
        let clip = if digits.is_empty() && !clip.is_empty() { "0" } else { digits };
        SegmentKey { video: video.into(), clip: clip.into() }
    }

    /// The segment whose clip number is larger by `shift`; itself where its clip is no number or
    /// there is none so small.
    pub fn shifted(self, shift: i32) -> SegmentKey {
        let number = self.clip.parse::<u32>().ok();
        let clip = match number.and_then(|clip| clip.checked_add_signed(shift)) {
            Some(clip) if shift != 0 => clip.to_string(),
            _ => self.clip,
        };
        SegmentKey { video: self.video, clip }
    }
}
