//! NumPy arrays: element types, shapes and strides, checked when an array is created so that reading
//! its elements (`view.rs`) cannot fail.

use std::fmt;

use super::limits::Limits;
use super::place::{NodeId, Span};
use crate::limit::Limit;

/// Kind of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// `bool`, one byte.
    Bool,
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UInt,
    /// IEEE 754 floats of 2, 4 or 8 bytes.
    Float,
    /// The upper half of a float32, PyTorch's bfloat16.
    BFloat,
    /// `S`: bytes of fixed width, padded with NUL.
    Bytes,
    /// `U`: UCS-4 text of fixed width, padded with NUL.
    Unicode,
    /// `O`: any values.
    Object,
}

/// An element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumpyDtype {
    /// Kind of the elements.
    pub kind: ScalarKind,
    /// Bytes per element; 8 for objects, as in NumPy.
    pub item_size: usize,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

impl NumpyDtype {
    /// The dtype created by `numpy.dtype(code)`, for the codes that NumPy writes into pickles: `f4`,
    /// `<i8`, `S14`, `O8`.
    pub fn parse(code: &str) -> Option<NumpyDtype> {
        let (big_endian, code) = match code.split_at_checked(1) {
            Some(("<" | "|" | "=", rest)) => (false, rest),
            Some((">", rest)) => (true, rest),
            _ => (false, code),
        };
        let (letter, digits) = code.split_at_checked(1)?;
        let number = if digits.is_empty() { None } else { Some(digits.parse::<usize>().ok()?) };
        let (kind, item_size) = match (letter, number) {
            ("b", Some(1)) | ("?", None) => (ScalarKind::Bool, 1),
            ("i", Some(size @ (1 | 2 | 4 | 8))) => (ScalarKind::Int, size),
            ("u", Some(size @ (1 | 2 | 4 | 8))) => (ScalarKind::UInt, size),
            ("f", Some(size @ (2 | 4 | 8))) => (ScalarKind::Float, size),
            ("S" | "a", size) => (ScalarKind::Bytes, size.unwrap_or(0)),
            ("U", chars) => (ScalarKind::Unicode, chars.unwrap_or(0).checked_mul(4)?),
            ("O", None | Some(4 | 8)) => (ScalarKind::Object, 8),
            _ => return None,
        };
        Some(NumpyDtype { kind, item_size, big_endian })
    }

    /// Whether the elements are numbers or booleans.
    pub fn is_numeric(self) -> bool {
        matches!(
            self.kind,
            ScalarKind::Bool
                | ScalarKind::Int
                | ScalarKind::UInt
                | ScalarKind::Float
                | ScalarKind::BFloat
        )
    }
}

impl fmt::Display for NumpyDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.item_size.saturating_mul(8);
        match self.kind {
            ScalarKind::Bool => write!(f, "bool"),
            ScalarKind::Int => write!(f, "int{bits}"),
            ScalarKind::UInt => write!(f, "uint{bits}"),
            ScalarKind::Float => write!(f, "float{bits}"),
            ScalarKind::BFloat => write!(f, "bfloat{bits}"),
            ScalarKind::Bytes => write!(f, "S{}", self.item_size),
            ScalarKind::Unicode => write!(f, "U{}", self.item_size / 4),
            ScalarKind::Object => write!(f, "object"),
        }?;
        let wide =
            self.item_size > 1 && !matches!(self.kind, ScalarKind::Bytes | ScalarKind::Object);
        if self.big_endian && wide { write!(f, " (big-endian)") } else { Ok(()) }
    }
}

/// Place of an array's elements.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Bytes, in stride order.
    Raw(Span),
    /// Values, in C order.
    Objects(Vec<NodeId>),
}

/// The order of the elements in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Last axis fastest.
    C,
    /// First axis fastest.
    Fortran,
    /// C order of the given shape, whose axes are then permuted: axis `i` of the array is axis
    /// `axes[i]` of the data.
    Permuted(Vec<usize>),
}

/// An array with consistent parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub(super) dtype: NumpyDtype,
    pub(super) shape: Vec<usize>,
    /// Distance between neighbours on each axis, in elements.
    pub(super) strides: Vec<usize>,
    pub(super) n_elements: usize,
    pub(super) data: Data,
    /// Whether NumPy had it in Fortran order.
    pub(super) is_fortran: bool,
    /// Whether NumPy sets its state when it reads it, which gives elements the machine's byte order.
    pub(super) is_state: bool,
    /// Whether PyTorch wrote it; its tensors take no state.
    pub(super) is_tensor: bool,
}

/// Why parts do not form an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// They contradict each other.
    Wrong(String),
    /// A limit was exceeded: quantity, limit, actual number.
    Limit(Limit, u64, u64),
}

impl Array {
    /// Assembles an array.
    ///
    /// `shape` is that of the data, before [`Order::Permuted`] permutes it.
    ///
    /// # Errors
    /// If there are too many axes or elements, if the product of the shape overflows, if `axes` is not
    /// a permutation, or if the size of the data does not match shape and dtype.
    pub(super) fn new(
        dtype: NumpyDtype,
        shape: Vec<usize>,
        order: Order,
        data: Data,
        limits: &Limits,
    ) -> Result<Array, Misfit> {
        if shape.len() as u64 > limits.axes {
            return Err(Misfit::Limit(Limit::Axes, limits.axes, shape.len() as u64));
        }
        if dtype.item_size == 0 {
            return Err(Misfit::Wrong(format!("elements of dtype {dtype} have no size")));
        }
        // Axes of length zero are left out, so that they cannot hide absurd lengths of the others.
        let nominal = product(shape.iter().copied().filter(|len| *len != 0))
            .and_then(|n| n.checked_mul(dtype.item_size).map(|_| n))
            .ok_or_else(|| Misfit::Wrong(format!("the size of shape {shape:?} overflows")))?;
        if nominal as u64 > limits.elements {
            return Err(Misfit::Limit(Limit::Elements, limits.elements, nominal as u64));
        }
        let n_elements = if shape.contains(&0) { 0 } else { nominal };
        let (unit, expected, found) = match (&data, dtype.kind) {
            (Data::Objects(items), ScalarKind::Object) => ("objects", n_elements, items.len()),
            (Data::Raw(span), kind) if kind != ScalarKind::Object => {
                ("bytes", n_elements.saturating_mul(dtype.item_size), span.len)
            }
            _ => return Err(Misfit::Wrong(format!("the data do not fit dtype {dtype}"))),
        };
        if expected != found {
            return Err(Misfit::Wrong(format!(
                "shape {shape:?} of {dtype} needs {expected} {unit}, found {found}"
            )));
        }
        let is_fortran = order == Order::Fortran;
        // NumPy writes objects in C order even if the array itself is in Fortran order.
        let order = match data {
            Data::Objects(_) if order == Order::Fortran => Order::C,
            _ => order,
        };
        let (shape, strides) = match order {
            Order::C => {
                let strides = c_strides(&shape);
                (shape, strides)
            }
            Order::Fortran => {
                let reversed: Vec<usize> = shape.iter().rev().copied().collect();
                let strides = c_strides(&reversed).into_iter().rev().collect();
                (shape, strides)
            }
            Order::Permuted(axes) => permute(&shape, &axes).ok_or_else(|| {
                Misfit::Wrong(format!("{axes:?} is not an order of the axes of shape {shape:?}"))
            })?,
        };
        Ok(Array {
            dtype,
            shape,
            strides,
            n_elements,
            data,
            is_fortran,
            is_state: false,
            is_tensor: false,
        })
    }

    /// A tensor: elements of a storage at any strides, which may skip or repeat some.
    ///
    /// # Errors
    /// If there are too many axes or elements, or an element lies beyond the data.
    pub(super) fn strided(
        dtype: NumpyDtype,
        shape: Vec<usize>,
        mut strides: Vec<usize>,
        data: Span,
        limits: &Limits,
    ) -> Result<Array, Misfit> {
        if shape.len() as u64 > limits.axes {
            return Err(Misfit::Limit(Limit::Axes, limits.axes, shape.len() as u64));
        }
        let overflow = || Misfit::Wrong(format!("the size of shape {shape:?} overflows"));
        let nominal = product(shape.iter().copied().filter(|len| *len != 0));
        let nominal = nominal.filter(|n| n.checked_mul(dtype.item_size).is_some());
        let nominal = nominal.ok_or_else(overflow)?;
        if nominal as u64 > limits.elements {
            return Err(Misfit::Limit(Limit::Elements, limits.elements, nominal as u64));
        }
        let n_elements = if shape.contains(&0) { 0 } else { nominal };
        // The stride of an axis of length 1 is never used and may be anything.
        for ((stride, len), plain) in strides.iter_mut().zip(&shape).zip(c_strides(&shape)) {
            if *len <= 1 {
                *stride = plain;
            }
        }
        let steps = shape.iter().zip(&strides).try_fold(0_usize, |sum, (len, stride)| {
            sum.checked_add(len.saturating_sub(1).checked_mul(*stride)?)
        });
        let reach = steps.and_then(|steps| steps.checked_add(1)?.checked_mul(dtype.item_size));
        if n_elements > 0 && reach.is_none_or(|reach| reach > data.len) {
            return Err(Misfit::Wrong(format!("strides {strides:?} reach beyond the data")));
        }
        let data = Data::Raw(data);
        let (is_fortran, is_state, is_tensor) = (false, false, true);
        Ok(Array { dtype, shape, strides, n_elements, data, is_fortran, is_state, is_tensor })
    }

    /// An array without elements, such as NumPy's constructors create for BUILD to fill.
    pub(super) fn empty(dtype: NumpyDtype, shape: Vec<usize>) -> Array {
        let strides = c_strides(&shape);
        let data = match dtype.kind {
            ScalarKind::Object => Data::Objects(Vec::new()),
            _ => Data::Raw(Span { start: 0, len: 0, decoded: true }),
        };
        let (is_fortran, is_state, is_tensor) = (false, false, false);
        Array { dtype, shape, strides, n_elements: 0, data, is_fortran, is_state, is_tensor }
    }

    /// Whether the elements are stored in C order.
    pub(super) fn is_c_order(&self) -> bool {
        self.strides == c_strides(&self.shape)
    }
}

fn product(lens: impl IntoIterator<Item = usize>) -> Option<usize> {
    lens.into_iter().try_fold(1_usize, |product, len| product.checked_mul(len))
}

/// Strides of a C-ordered array. Saturates if an axis of length zero accompanies long ones; then there
/// is no element to reach.
fn c_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides: Vec<usize> = shape
        .iter()
        .rev()
        .scan(1_usize, |step, len| {
            let stride = *step;
            *step = step.saturating_mul(*len);
            Some(stride)
        })
        .collect();
    strides.reverse();
    strides
}

fn permute(shape: &[usize], axes: &[usize]) -> Option<(Vec<usize>, Vec<usize>)> {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..shape.len()) {
        return None;
    }
    let strides = c_strides(shape);
    let shape = axes.iter().map(|axis| shape.get(*axis).copied()).collect::<Option<_>>()?;
    let strides = axes.iter().map(|axis| strides.get(*axis).copied()).collect::<Option<_>>()?;
    Some((shape, strides))
}

#[cfg(test)]
mod tests {
    use super::*;

    const F4: NumpyDtype = NumpyDtype { kind: ScalarKind::Float, item_size: 4, big_endian: false };

    fn raw(len: usize) -> Data {
        Data::Raw(Span { start: 0, len, decoded: false })
    }

    #[test]
    fn dtype_codes() {
        assert_eq!(NumpyDtype::parse("f4"), Some(F4));
        assert_eq!(
            NumpyDtype::parse(">i8").map(|dtype| dtype.to_string()).unwrap(),
            "int64 (big-endian)"
        );
        assert_eq!(NumpyDtype::parse("U16").map(|dtype| dtype.item_size), Some(64));
        for code in ["", "f", "f16", "V8", "M8", "i3", "é4", "U99999999999999999999", "f-4"] {
            assert_eq!(NumpyDtype::parse(code), None, "{code}");
        }
    }

    #[test]
    fn strides_of_each_order() {
        let limits = Limits::default();
        let new = |order| Array::new(F4, vec![2, 3, 4], order, raw(96), &limits).unwrap();
        assert_eq!(new(Order::C).strides, [12, 4, 1]);
        assert_eq!(new(Order::Fortran).strides, [1, 2, 6]);
        let permuted = new(Order::Permuted(vec![0, 2, 1]));
        assert_eq!((permuted.shape, permuted.strides), (vec![2, 4, 3], vec![12, 1, 4]));
    }

    #[test]
    fn contradictions_are_refused() {
        let limits = Limits::default();
        let new =
            |shape: &[usize], order, len| Array::new(F4, shape.to_vec(), order, raw(len), &limits);
        assert!(new(&[2], Order::C, 9).is_err());
        assert!(new(&[usize::MAX, 2], Order::C, 0).is_err());
        assert!(new(&[0, 1 << 50], Order::C, 0).is_err());
        assert!(new(&[1; 33], Order::C, 4).is_err());
        assert!(new(&[2, 2], Order::Permuted(vec![0, 0]), 16).is_err());
        assert!(new(&[0, 3], Order::C, 0).is_ok());
    }
}
