//! The fields of a label table, and the column names that mean them.

use crate::corpus::Modality;
use crate::name::named;

/// Field of a column.
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
    /// The label of text alone.
    LabelT,
    /// The label of audio alone.
    LabelA,
    /// The label of vision alone.
    LabelV,
    /// The transcript.
    Text,
    /// The split.
    Split,
    /// The label in words, such as `Weakly Negative`.
    Annotation,
    /// The second of the video at which the clip begins.
    Start,
    /// The second of the video at which the clip ends.
    End,
}

impl Field {
    /// All fields.
    pub const ALL: [Field; 12] = [
        Field::Id,
        Field::Video,
        Field::Clip,
        Field::Label,
        Field::LabelT,
        Field::LabelA,
        Field::LabelV,
        Field::Text,
        Field::Split,
        Field::Annotation,
        Field::Start,
        Field::End,
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
            Field::Annotation => "annotation",
            Field::Start => "start",
            Field::End => "end",
        }
    }

    /// The modality of a unimodal label.
    pub fn modality(self) -> Option<Modality> {
        match self {
            Field::LabelT => Some(Modality::Text),
            Field::LabelA => Some(Modality::Audio),
            Field::LabelV => Some(Modality::Vision),
            _ => None,
        }
    }

    /// The unimodal label of a modality.
    pub fn of_modality(modality: Modality) -> Field {
        match modality {
            Modality::Text => Field::LabelT,
            Modality::Audio => Field::LabelA,
            Modality::Vision => Field::LabelV,
        }
    }

    /// Whether a store is compared with it, rather than it being a part of the id, another form of
    /// the label or a time.
    pub fn is_compared(self) -> bool {
        let is_of_id = matches!(self, Field::Id | Field::Video | Field::Clip);
        !is_of_id && !self.is_of_source()
    }

    /// Whether only a table that segments are made from has it.
    pub(super) fn is_of_source(self) -> bool {
        matches!(self, Field::Annotation | Field::Start | Field::End)
    }

    /// Column names that always mean the field: letters and digits in lower case, so that `Video_ID`,
    /// `videoId` and `video id` are equal.
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
            Field::Annotation => &["annotation", "annotations", "annotationlabel"],
            Field::Start => &["start", "starttime", "startsec", "startseconds", "onset"],
            Field::End => &["end", "endtime", "endsec", "endseconds", "offset"],
        }
    }

    /// Column names that mean the field only if no other column has one of [`Field::names`]: `file`
    /// next to `index` is a video, alone it is a segment.
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
