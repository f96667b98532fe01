//! The table of rules, and nothing but the table: what is looked for, how bad it is, what to do.

use schemars::JsonSchema;
use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Known of the published data; worth saying beside a result.
    Info,
    /// Worth knowing; results stay meaningful.
    Warning,
    /// Results from this data would be wrong.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

macro_rules! rules {
    ($($rule:ident $id:literal $severity:ident $name:literal: $meaning:literal, $advice:literal;)*) => {
        /// What is looked for. The id stays the same for good, so that scripts can rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $meaning] $rule,)*
        }

        impl Rule {
            /// All rules, in the order of their ids.
            pub const ALL: &[Rule] = &[$(Rule::$rule),*];

            /// The stable id.
            pub fn id(self) -> &'static str {
                match self { $(Rule::$rule => $id,)* }
            }

            /// A short name.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$rule => $name,)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Rule::$rule => Severity::$severity,)* }
            }

            /// What a finding of this rule means.
            pub fn meaning(self) -> &'static str {
                match self { $(Rule::$rule => $meaning,)* }
            }

            /// What to do about it.
            pub fn advice(self) -> &'static str {
                match self { $(Rule::$rule => $advice,)* }
            }
        }
    };
}

rules! {
    Digest "AD001" Error "digest":
        "The content of a column differs from the digest in the manifest.",
        "the file was changed or damaged: convert the source again; `almt-data copy` reseals a \
         file that has only lost its seal";
    Dims "AD002" Warning "dimensions":
        "Feature dimensions are those of no known build.",
        "compare with the publisher's description, or set the right `--dataset` when converting";
    Counts "AD003" Warning "split size":
        "A split has another number of samples than every known build.",
        "results are not comparable with published ones; `--labels` lists the samples that differ";
    MissingSplit "AD004" Warning "missing split":
        "A split is absent or empty.",
        "convert the files of all splits together; a validation split can also be drawn from the training \
         split: `train --valid-fraction 0.1`, `almt-data split STORE.h5 --from train --ratio 0.9,0.1 -o \
         SPLITS.json`";
    LabelRange "AD005" Error "label range":
        "A label is outside the range of the dataset.",
        "compare with the published labels, or set the right `--dataset` when converting";
    DuplicateId "AD006" Error "duplicate id":
        "A segment id appears twice.",
        "if both are the same segment, remove one from the source (from the training split, if they are in \
         two splits); otherwise correct the id: `--labels` shows which";
    Leakage "AD007" Error "video in two splits":
        "A video has segments in two splits of a dataset that is split by video.",
        "move all segments of the video to one split";
    NonFinite "AD008" Error "not finite":
        "A feature value is NaN or infinite.",
        "convert again with `--on-nonfinite zero`, `mean` or `drop-segment`";
    LengthRange "AD009" Error "length range":
        "A recorded length is negative or beyond the number of frames.",
        "extract the lengths again; they are never derived from zeros";
    BeyondLength "AD010" Warning "beyond length":
        "Frames at or beyond the recorded length are not zero; public files have some.",
        "mask by the recorded lengths where padding must not reach a model";
    ZeroSample "AD011" Warning "zero sample":
        "Every value of a modality of a sample is zero, as where no face was found.",
        "report the number with results; a model sees no information there";
    ClassLabel "AD012" Warning "class label":
        "A class label is not that of the sign of the regression label, or a class of one's own not that of its \
         value.",
        "one of the two is wrong, and training uses `regression_labels`: `--labels` compares with the \
         published labels";
    Annotation "AD013" Warning "annotation":
        "An annotation is not that of the sign of the regression label.",
        "training uses `regression_labels`; public files differ here, and `--labels` compares with the \
         published labels";
    IdForm "AD014" Warning "id form":
        "A segment id has no known form or blanks around it, or ids are spelled in several ways.",
        "spell ids `VIDEO$_$CLIP`, `VIDEO[CLIP]` or `VIDEO_CLIP`, or its video is not known";
    FoldSplit "AD015" Error "standard fold":
        "A video is in a different split than in the dataset's standard fold.",
        "results are not comparable with published ones; split again by the standard folds";
    NoFold "AD016" Warning "no fold":
        "A video is in no standard fold of the dataset.",
        "check how its id is spelled; published results do not include it";
    SameSegment "AD017" Warning "same segment":
        "Two segments of one split have the same values in every modality; they have two or more.",
        "remove one of the two";
    SameSegmentAcross "AD018" Error "same segment in two splits":
        "Segments of two splits have the same values in every modality; they have two or more.",
        "remove the one in the training split";
    SameBlock "AD019" Warning "same features":
        "Segments have the same values in one modality, as short texts have if they are equal.",
        "expected of text where the words are the same; of audio and vision, look at the source";
    MissingSample "AD020" Warning "missing sample":
        "A sample of the label table is not in the store.",
        "expected where segments were lost in alignment; otherwise look for a failed extraction";
    SurplusSample "AD021" Warning "surplus sample":
        "A sample of the store is not in the label table.",
        "check that the table is that of this dataset and version";
    LabelDiffers "AD022" Error "label differs":
        "A label differs from the label table.",
        "one of the two is wrong: look at both before training";
    TextDiffers "AD023" Warning "text differs":
        "A transcript has other words than the label table, punctuation and case aside.",
        "check that features and labels belong to the same segment";
    SplitDiffers "AD024" Error "split differs":
        "A sample is in a different split than in the label table.",
        "re-split according to the table; otherwise results are not comparable";
    ConstantFeature "AD025" Warning "constant feature":
        "A feature has one value in every frame of a split, padding aside.",
        "it carries no information; standardisation must not divide by its deviation of zero";
    TokenMask "AD026" Error "token mask":
        "The mask of a token row is not ones and then zeros.",
        "make `text_bert` again as token ids, mask, segment ids, padded at the back";
    TokenPadding "AD027" Warning "token padding":
        "A token id where the mask is zero is not zero.",
        "mask it, or make `text_bert` again with the padding id 0";
    TokenEnds "AD028" Warning "token ends":
        "A token row of a BERT vocabulary does not begin with `[CLS]` and end with `[SEP]`.",
        "make `text_bert` again with the special tokens; a cut row must keep its `[SEP]`";
    TokenLength "AD029" Warning "token length":
        "A recorded text length is not the number of ones in the mask.",
        "trust the mask, and make the lengths again";
    LabelGrid "AD030" Warning "label grid":
        "A label is not an average that the dataset's annotators can produce.",
        "check that labels were not rescaled or rounded";
    BinsDiffer "AD031" Error "bins differ":
        "The stored bins of the labels are not those that the labels give.",
        "convert the source again with this version";
    Extreme "AD032" Warning "extreme value":
        "A feature value is larger than 10000 in magnitude.",
        "look at the extraction of the sample; standardise or clip the feature";
    Untrainable "AD033" Error "cannot be trained":
        "The splits have different features, or there is nothing to compute text features from.",
        "convert files of one build together, or train on what all splits have: `train \
         --modalities`";
    NoText "AD034" Warning "no text features":
        "There are texts or tokens but no text features, which every model needs.",
        "`almt-data encode STORE.h5 --bert FOLDER -o NEW.h5` computes them with a text encoder, \
         `train --text bert --bert FOLDER` during training; without tokens in the store, add `--text-from \
         raw_text`";
    Unlabelled "AD035" Warning "no labels":
        "A split has no regression labels, or no class labels where classes have no values.",
        "`almt-data predict` needs none; `train` needs those of train and valid, `eval`, `labels` and `split` \
         those of what they read: convert a file that has them; a validation split can also be drawn from the \
         training split: `train --valid-fraction 0.1`";
    MissingLabel "AD036" Error "missing label":
        "A sample of a split that has labels has none: NaN or infinity in its place, or no class.",
        "`--drop-unlabelled` of `convert`, `build` and `align` leaves such segments out; a split of its \
         own can be predicted on";
    OtherLabel "AD037" Warning "other label":
        "An auxiliary label (of one modality or of an emotion) is not a number in its range.",
        "training does not use it; correct it in the source if you do";
    EntryShape "AD038" Error "entry shape":
        "An entry of a computational sequence lacks features or intervals, or their shapes do not fit.",
        "write the sequence again: features of shape [n_rows, feat_dim], intervals of shape [n_rows, 2]";
    IntervalTime "AD039" Error "interval":
        "An interval of a computational sequence is not finite, or ends before it starts.",
        "correct the times: `align` refuses them";
    RowOrder "AD040" Warning "row order":
        "Rows of a computational sequence are not in order of their start.",
        "`align` sorts the rows of all sequences but the reference, whose order numbers the segments";
    RowOverlap "AD041" Warning "rows overlap":
        "Rows of a computational sequence overlap in time.",
        "expected of windows and segments; words and frames should follow one another";
    ShortRow "AD042" Warning "short row":
        "A row of a computational sequence is shorter than 0.00001 s.",
        "as a reference it makes no segment, and in other sequences it is left out";
    EntryValue "AD043" Warning "sequence not finite":
        "A feature of a computational sequence is NaN or infinite, as in published COVAREP files.",
        "`align --on-nonfinite` sets what becomes of them; the SDK's mean passes them on";
    EntryForm "AD044" Warning "entry form":
        "Entries of a computational sequence differ in their number of columns, or some hold text and some \
         numbers.",
        "write the sequence again from one extraction: `align` refuses it";
    MissingVideo "AD045" Warning "missing video":
        "A computational sequence has a video that another one lacks.",
        "`align` leaves the video out and reports it; look for a failed extraction";
    NamedFeature "AD046" Warning "named feature":
        "A feature has values that its name rules out, such as a zero-crossing rate above 1.",
        "if frames were averaged or rescaled, convert again with `--features MODALITY=SET:averaged` or \
         `MODALITY=SET:scaled`; otherwise the names are those of other features: omit `--features`";
    SharedVideos "AD047" Info "shared videos":
        "Videos of the training split are also in valid or test. An info where the dataset was published \
         so, a warning of other splits, an error where `almt-data split` drew them.",
        "published figures are of these splits; `almt-data split STORE.h5 --k-fold 5 --by video -o \
         SPLITS.json` keeps videos whole, for `train --manifest SPLITS.json`";
}

/// Rules about the videos of a store's own splits, which do not matter where others are used.
pub const OF_OWN_SPLITS: [Rule; 3] = [Rule::Leakage, Rule::FoldSplit, Rule::SharedVideos];

impl Rule {
    /// All rules as a page in Markdown.
    pub fn page() -> String {
        let mut page = String::from(PAGE_START);
        for rule in Rule::ALL {
            let (id, name) = (rule.id(), rule.name());
            let (severity, meaning) = (rule.severity().name(), rule.meaning());
            page += &format!("| {id} | {severity} | {name} | {meaning} | {} |\n", rule.advice());
        }
        page
    }
}

const PAGE_START: &str = "\
# The rules of `almt-data validate`

An error means that results from the data would be wrong, and makes the exit code 1; a warning is
worth knowing; an info is known of the published data. `--strict` makes every warning an error. The id
of a rule never changes. AD020 to AD024 need the published labels, `--labels label.csv`. `convert` looks
for what it can see in passing; `validate` looks for everything.

This page is generated from the code.

| id | severity | name | meaning | what to do |
|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_from_one_without_a_gap() {
        for (idx, rule) in Rule::ALL.iter().enumerate() {
            assert_eq!(rule.id(), format!("AD{:03}", idx + 1));
        }
    }
}
