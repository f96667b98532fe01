//! What a column of a table can be, and the names that mean it.

use crate::corpus::Modality;
use crate::name::named;

/// What a column of a table can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The whole id of a segment.
    Id,
    /// The video of a segment.
    Video,
    /// The clip within the video.
    Clip,
    /// The overall label.
    Label,
    /// The label of the text alone.
    LabelT,
    /// The label of the audio alone.
    LabelA,
    /// The label of the vision alone.
    LabelV,
    /// The transcript.
    Text,
    /// The split.
    Split,
}

impl Field {
    /// All of them.
    pub const ALL: [Field; 9] = [
        Field::Id,
        Field::Video,
        Field::Clip,
        Field::Label,
        Field::LabelT,
        Field::LabelA,
        Field::LabelV,
        Field::Text,
        Field::Split,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Field::Id => "id",
            Field::Video => "video",
            Field::Clip => "clip",
            Field::Label => "label",
            Field::LabelT => "label_T",
            Field::LabelA => "label_A",
            Field::LabelV => "label_V",
            Field::Text => "text",
            Field::Split => "split",
        }
    }

    /// The modality whose own label it is.
    pub fn modality(self) -> Option<Modality> {
        match self {
            Field::LabelT => Some(Modality::Text),
            Field::LabelA => Some(Modality::Audio),
            Field::LabelV => Some(Modality::Vision),
            _ => None,
        }
    }

    /// Whether it says something of a segment that can be compared, rather than which one it is.
    pub fn is_compared(self) -> bool {
        !matches!(self, Field::Id | Field::Video | Field::Clip)
    }

    /// Names that mean the field in every table that has them: letters and digits in lower case, so
    /// that `Video_ID`, `videoId` and `video id` are one.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Field::Id => {
                &["id", "segmentid", "sampleid", "utteranceid", "uttid", "filename", "name", "key"]
            }
            Field::Video => &["videoid", "video", "vid", "videoname"],
            Field::Clip => &["clipid", "clip", "clipno", "clipnumber"],
            Field::Label => &[
                "label",
                "labels",
                "sentiment",
                "sentimentscore",
                "sentimentlabel",
                "sentimentvalue",
                "score",
                "regressionlabel",
                "regressionlabels",
                "labelm",
            ],
            Field::LabelT => &["labelt", "labelst", "regressionlabelt", "regressionlabelst"],
            Field::LabelA => &["labela", "labelsa", "regressionlabela", "regressionlabelsa"],
            Field::LabelV => &["labelv", "labelsv", "regressionlabelv", "regressionlabelsv"],
            Field::Text => &["text", "rawtext", "transcript", "transcription", "sentence"],
            Field::Split => &["split", "mode", "partition", "subset", "set"],
        }
    }

    /// Names that mean the field only where no other column has one of [`Field::names`]: `file`
    /// beside `index` is a video, alone it is a segment.
    pub(super) fn weak_names(self) -> &'static [&'static str] {
        match self {
            Field::Id => &["file", "segment"],
            Field::Video => &["file"],
            Field::Clip => &["segment", "segmentid", "index"],
            _ => &[],
        }
    }
}

named!(Field);
