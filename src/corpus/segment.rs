//! Segment ids: a video and a clip within it.

/// The video that a segment id belongs to.
///
/// Ids are spelled `VIDEO$_$CLIP` (MMSA), `VIDEO[CLIP]` (CMU SDK, MISA) or `VIDEO_CLIP` with a
/// number as the clip (MMIM). An id of any other form is its own video.
pub fn video_of(id: &str) -> &str {
    if let Some((video, _)) = id.split_once("$_$") {
        return video;
    }
    if let Some((video, _)) = id.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        return video;
    }
    match id.rsplit_once('_') {
        Some((video, clip)) if !clip.is_empty() && clip.bytes().all(|b| b.is_ascii_digit()) => {
            video
        }
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::video_of;

    #[test]
    fn video_names_keep_their_own_underscores() {
        assert_eq!(video_of("03bSnISJMiM$_$11"), "03bSnISJMiM");
        assert_eq!(video_of("WKA5OygbEKI[0]"), "WKA5OygbEKI");
        assert_eq!(video_of("_dI--eQ6qVU_3"), "_dI--eQ6qVU");
        assert_eq!(video_of("video_0001$_$0001"), "video_0001");
        assert_eq!(video_of("_dI--eQ6qVU"), "_dI--eQ6qVU");
    }
}
