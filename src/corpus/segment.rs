//! Segment ids: a video and a clip within it.

/// Spelling of a segment id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spelling {
    /// `VIDEO$_$CLIP`, as in MMSA.
    Dollars,
    /// `VIDEO[CLIP]`, as in the CMU SDK and MISA.
    Brackets,
    /// `VIDEO_CLIP` with a number as the clip, as in MMIM.
    Underscore,
}

impl Spelling {
    /// The spelling of an id; `None` if unknown.
    pub fn of(id: &str) -> Option<Spelling> {
        parts(id).map(|(spelling, _, _)| spelling)
    }
}

/// Spelling, video and clip, without surrounding blanks; `None` for an unknown spelling.
fn parts(id: &str) -> Option<(Spelling, &str, &str)> {
    split(id.trim()).map(|(spelling, video, clip)| (spelling, video.trim(), clip.trim()))
}

fn split(id: &str) -> Option<(Spelling, &str, &str)> {
    if let Some((video, clip)) = id.split_once("$_$") {
        return Some((Spelling::Dollars, video, clip));
    }
    if let Some((video, clip)) = id.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')) {
        return Some((Spelling::Brackets, video, clip));
    }
    match id.rsplit_once('_') {
        Some((video, clip)) if !clip.is_empty() && clip.bytes().all(|b| b.is_ascii_digit()) => {
            Some((Spelling::Underscore, video, clip))
        }
        _ => None,
    }
}

/// The video of a segment id. An id in an unknown spelling is its own video.
pub fn video_of(id: &str) -> &str {
    parts(id).map_or(id.trim(), |(_, video, _)| video)
}

/// The clip within the video; `None` for an unknown spelling.
pub fn clip_of(id: &str) -> Option<&str> {
    parts(id).map(|(_, _, clip)| clip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_names_keep_their_own_underscores() {
        assert_eq!(video_of("03bSnISJMiM$_$11"), "03bSnISJMiM");
        assert_eq!(video_of("WKA5OygbEKI[0]"), "WKA5OygbEKI");
        assert_eq!(video_of("_dI--eQ6qVU_3"), "_dI--eQ6qVU");
        assert_eq!(video_of("video_0001$_$0001"), "video_0001");
        assert_eq!(video_of("_dI--eQ6qVU"), "_dI--eQ6qVU");
    }

    #[test]
    fn blanks_make_no_other_video() {
        for id in
            [" 03bSnISJMiM$_$11", "03bSnISJMiM $_$ 11", "03bSnISJMiM[11]\t", "03bSnISJMiM_11\n"]
        {
            assert_eq!((video_of(id), clip_of(id)), ("03bSnISJMiM", Some("11")), "{id:?}");
        }
        assert_eq!(video_of(" plain "), "plain");
    }

    #[test]
    fn every_spelling_has_its_clip() {
        assert_eq!(clip_of("03bSnISJMiM$_$11"), Some("11"));
        assert_eq!(clip_of("WKA5OygbEKI[0]"), Some("0"));
        assert_eq!(clip_of("_dI--eQ6qVU_3"), Some("3"));
        assert_eq!((clip_of("_dI--eQ6qVU"), Spelling::of("plain")), (None, None));
    }
}
