//! Policies for values that a store cannot hold unchanged.

use super::FeatureDtype;
use super::digest::Feature;
use crate::corpus::values::ValueKind;
use crate::name::named;

/// Policy for source values that are not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonFinite {
    /// -inf becomes 0, as in the loaders of MMSA and ALMT, and is counted; NaN and +inf, which those
    /// loaders pass on to the model, are errors.
    Loaders,
    /// Each becomes 0.
    Zero,
    /// Each becomes the mean of its feature in the training split.
    Mean,
    /// Segments that contain one are left out of all columns.
    DropSegment,
    /// Each is kept.
    Keep,
    /// Each is an error.
    Error,
}

impl NonFinite {
    /// All policies.
    pub const ALL: [NonFinite; 6] = [
        NonFinite::Loaders,
        NonFinite::Zero,
        NonFinite::Mean,
        NonFinite::DropSegment,
        NonFinite::Keep,
        NonFinite::Error,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            NonFinite::Loaders => "loaders",
            NonFinite::Zero => "zero",
            NonFinite::Mean => "mean",
            NonFinite::DropSegment => "drop-segment",
            NonFinite::Keep => "keep",
            NonFinite::Error => "error",
        }
    }
}

/// Policy for finite source values beyond the range of the stored type. No policy turns them into
/// infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOverflow {
    /// Each is an error.
    Error,
    /// Each becomes the largest value of the type, with its sign.
    Clip,
    /// Each becomes 0.
    Zero,
    /// Each becomes the mean of its feature in the training split.
    Mean,
    /// Segments that contain one are left out of all columns.
    DropSegment,
}

impl OnOverflow {
    /// All policies.
    pub const ALL: [OnOverflow; 5] = [
        OnOverflow::Error,
        OnOverflow::Clip,
        OnOverflow::Zero,
        OnOverflow::Mean,
        OnOverflow::DropSegment,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            OnOverflow::Error => "error",
            OnOverflow::Clip => "clip",
            OnOverflow::Zero => "zero",
            OnOverflow::Mean => "mean",
            OnOverflow::DropSegment => "drop-segment",
        }
    }
}

named!(NonFinite, OnOverflow);

/// Treatment of one kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Refuse,
    Keep,
    Zero,
    Clip,
    Mean,
    Drop,
}

impl Action {
    /// Describes the treatment of `n` such values and their segments, for notes.
    pub(super) fn words(self, n: u64, dtype: FeatureDtype) -> String {
        let became = match self {
            Action::Refuse => return if n == 1 { "was refused" } else { "were refused" }.into(),
            Action::Keep => return if n == 1 { "was kept" } else { "were kept" }.into(),
            Action::Drop if n == 1 => return "was dropped with its segment".into(),
            Action::Drop => return "were dropped with their segments".into(),
            Action::Zero => "0".into(),
            Action::Mean => "the mean of the feature".into(),
            Action::Clip => format!("the largest {dtype} of the same sign"),
        };
        format!("became {became}")
    }

    /// The name in the manifest.
    pub(super) fn name(self) -> &'static str {
        match self {
            Action::Refuse => "error",
            Action::Keep => "keep",
            Action::Zero => "zero",
            Action::Clip => "clip",
            Action::Mean => "mean",
            Action::Drop => "drop-segment",
        }
    }
}

/// The policies of one store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policies {
    pub(super) on_nonfinite: NonFinite,
    pub(super) on_overflow: OnOverflow,
}

impl Policies {
    /// Policies of a copy, which changes nothing: non-finite values were accepted before.
    pub(super) const COPY: Policies =
        Policies { on_nonfinite: NonFinite::Keep, on_overflow: OnOverflow::Error };

    pub(super) fn action(self, kind: ValueKind) -> Action {
        match kind {
            ValueKind::Overflow => match self.on_overflow {
                OnOverflow::Error => Action::Refuse,
                OnOverflow::Clip => Action::Clip,
                OnOverflow::Zero => Action::Zero,
                OnOverflow::Mean => Action::Mean,
                OnOverflow::DropSegment => Action::Drop,
            },
            _ => match self.on_nonfinite {
                NonFinite::Loaders if kind == ValueKind::NegInf => Action::Zero,
                NonFinite::Loaders | NonFinite::Error => Action::Refuse,
                NonFinite::Zero => Action::Zero,
                NonFinite::Mean => Action::Mean,
                NonFinite::DropSegment => Action::Drop,
                NonFinite::Keep => Action::Keep,
            },
        }
    }

    /// Whether any kind of value gets this treatment.
    pub(super) fn has(self, action: Action) -> bool {
        ValueKind::ALL.into_iter().any(|kind| self.action(kind) == action)
    }

    /// Whether all features must be read before the first one is written.
    pub(super) fn look_ahead(self) -> bool {
        self.has(Action::Mean) || self.has(Action::Drop)
    }
}

impl FeatureDtype {
    /// The smallest magnitude that becomes infinite in the type.
    pub(super) fn limit(self) -> f32 {
        match self {
            FeatureDtype::Float32 => <f32 as Feature>::LIMIT,
            FeatureDtype::Float16 => <half::f16 as Feature>::LIMIT,
        }
    }
}
