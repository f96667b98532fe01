//! Identifies a row's segment, in any spelling of its id.

use crate::corpus::segment::{clip_of, video_of};

/// A segment, independent of its id's spelling.
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

    /// Clips are numbers in some sources and text in others: `0001` and `1` are the same.
    pub(super) fn new(video: &str, clip: &str) -> SegmentKey {
        let digits = clip.trim_start_matches('0');
        let clip = if digits.is_empty() && !clip.is_empty() { "0" } else { digits };
        SegmentKey { video: video.into(), clip: clip.into() }
    }

    /// The segment with a clip number larger by `shift`; unchanged if its clip is not a number or the
    /// result would be negative.
    pub fn shifted(self, shift: i32) -> SegmentKey {
        let number = self.clip.parse::<u32>().ok();
        let clip = match number.and_then(|clip| clip.checked_add_signed(shift)) {
            Some(clip) if shift != 0 => clip.to_string(),
            _ => self.clip,
        };
        SegmentKey { video: self.video, clip }
    }
}
