//! The clips of a table, in any spelling of their ids.

use std::collections::HashMap;

use crate::corpus::labels::{LabelRow, LabelTable};
use crate::corpus::segment::{clip_of, video_of};

/// The id of a clip in the store: `VIDEO$_$CLIP`, as in MMSA, or as the table spells it if it has no
/// columns for both.
pub(super) fn id_of(row: &LabelRow) -> String {
    match &row.parts {
        Some([video, clip]) => format!("{video}$_${clip}"),
        None => row.id.clone(),
    }
}

/// The clips of a table, by the names that files may have.
pub(super) struct Clips {
    /// By video and clip without leading zeros.
    exact: HashMap<(String, String), usize>,
    /// The same with a video that is a number without its leading zeros, if only one clip has them.
    loose: HashMap<(String, String), Option<usize>>,
    /// By clip alone, if only one video has it.
    alone: HashMap<String, Option<usize>>,
}

/// A number without leading zeros; other words stay as they are.
fn plain(word: &str) -> &str {
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return word;
    }
    let digits = word.trim_start_matches('0');
    if digits.is_empty() { "0" } else { digits }
}

impl Clips {
    pub(super) fn of(table: &LabelTable) -> Clips {
        let mut clips =
            Clips { exact: HashMap::new(), loose: HashMap::new(), alone: HashMap::new() };
        for (idx, (_, row)) in table.rows().enumerate() {
            let (video, clip) = match &row.parts {
                Some([video, clip]) => (video.as_str(), clip.as_str()),
                None => (video_of(&row.id), clip_of(&row.id).unwrap_or_default()),
            };
            clips.exact.insert((video.to_owned(), plain(clip).to_owned()), idx);
            let add = |known: &mut Option<usize>| *known = None;
            let key = (plain(video).to_owned(), plain(clip).to_owned());
            clips.loose.entry(key).and_modify(add).or_insert(Some(idx));
            if !clip.is_empty() {
                clips.alone.entry(plain(clip).to_owned()).and_modify(add).or_insert(Some(idx));
            }
        }
        clips
    }

    /// The clip that a file belongs to, by its path within the folder, without its extension and with
    /// `/` between folders: `VIDEO$_$CLIP`, `VIDEO[CLIP]`, `VIDEO_CLIP`, `VIDEO/CLIP`, or the id as it
    /// is; or else, outside of folders, `CLIP` if only one video has a clip of that name.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = folder.rsplit('/').next().unwrap_or_default();
        let in_brackets = name.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
        let spellings = [
            name.split_once("$_$"),
            in_brackets,
            name.rsplit_once('_'),
            (!folder.is_empty()).then_some((folder, name)),
            Some((name, "")),
        ];
        let key = |(video, clip): (&str, &str)| (video.to_owned(), plain(clip).to_owned());
        let exact = |spelling| self.exact.get(&key(spelling)).copied();
        let loose = |(video, clip)| self.loose.get(&key((plain(video), clip))).copied().flatten();
        let spellings = || spellings.iter().flatten().copied();
        // Within a folder, a clip of that name may be another video's.
        let is_alone = folder.is_empty();
        let alone = || self.alone.get(plain(name)).copied().flatten().filter(|_| is_alone);
        spellings().find_map(exact).or_else(|| spellings().find_map(loose)).or_else(alone)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::corpus::labels::TableOptions;

    fn clips(text: &str) -> Clips {
        let options = TableOptions { is_source: true, ..TableOptions::default() };
        let table = LabelTable::parse(text.as_bytes(), Path::new("label.csv"), &options);
        Clips::of(&table.unwrap())
    }

    #[test]
    fn every_spelling_of_an_id_is_found() {
        let clips = clips("video_id,clip_id\nvideo_0001,0001\nvideo_0001,2\n_a-b,intro\n7,3\n");
        for (path, expected) in [
            ("video_0001$_$0001", Some(0)),
            ("video_0001$_$1", Some(0)),
            ("video_0001_1", Some(0)),
            ("video_0001[01]", Some(0)),
            ("video_0001/0001", Some(0)),
            ("raw/video_0001/1", Some(0)),
            ("any/video_0001_0002", Some(1)),
            ("_a-b_intro", Some(2)),
            ("_a-b/intro", Some(2)),
            ("0007_3", Some(3)),
            ("007/03", Some(3)),
            // A clip that only one video has.
            ("intro", Some(2)),
            ("0003", Some(3)),
            ("video_0001_3", None),
            ("other/intro", None),
        ] {
            assert_eq!(clips.find(path), expected, "{path}");
        }
    }

    #[test]
    fn a_clip_alone_is_nobodys_if_two_videos_have_it() {
        let clips = clips("video_id,clip_id\na,1\nb,1\n");
        assert_eq!((clips.find("1"), clips.find("a_1")), (None, Some(0)));
        // The same video twice, if its zeros do not count.
        let clips = self::clips("video_id,clip_id\n1,1\n01,1\n");
        assert_eq!(
            (clips.find("1_1"), clips.find("01_1"), clips.find("001_1")),
            (Some(0), Some(1), None)
        );
    }

    #[test]
    fn ids_without_a_clip_are_names_of_files() {
        let clips = clips("id,text\nintro,x\nb_2,y\n");
        assert_eq!((clips.find("intro"), clips.find("b$_$02")), (Some(0), Some(1)));
        assert_eq!(clips.find("intro_1"), None);
    }
}
