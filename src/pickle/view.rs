//! Reads the elements of an array, row by row, in any type and order.

use std::ops::Range;
use std::sync::Arc;

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::content::Pickle;
use super::number::Number;
use super::numpy::{Array, Data, NumpyDtype, ScalarKind};
use super::place::NodeId;
use super::raw::{RawText, of_bytes, ucs4};
use super::value::Value;
use crate::overflow::Overflows;

/// An array together with the pickle that holds its elements.
#[derive(Clone, Copy)]
pub struct ArrayView<'p> {
    pub(super) pickle: &'p Pickle,
    pub(super) array: &'p Arc<Array>,
}

/// An array that keeps its file open: an owned [`ArrayView`]. Clones share both.
#[derive(Clone)]
pub struct SharedArray {
    pickle: Pickle,
    array: Arc<Array>,
}

impl SharedArray {
    /// A view of the array.
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView { pickle: &self.pickle, array: &self.array }
    }
}

impl Pickle {
    /// An array.
    pub fn array(&self, id: NodeId) -> Option<ArrayView<'_>> {
        match self.value(id) {
            Some(Value::Array(array)) => Some(ArrayView { pickle: self, array }),
            _ => None,
        }
    }
}

impl<'p> ArrayView<'p> {
    /// The same array, usable after the pickle is dropped.
    pub fn share(&self) -> SharedArray {
        SharedArray { pickle: self.pickle.clone(), array: Arc::clone(self.array) }
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> &'p [usize] {
        &self.array.shape
    }

    /// The element type.
    pub fn dtype(&self) -> NumpyDtype {
        self.array.dtype
    }

    /// Distance between neighbours on each axis, in elements.
    pub fn strides(&self) -> &'p [usize] {
        &self.array.strides
    }

    /// Whether PyTorch wrote it.
    pub fn is_tensor(&self) -> bool {
        self.array.is_tensor
    }

    /// Whether NumPy wrote it as an array in Fortran order. The objects of such an array are in C order
    /// in the file.
    pub fn is_fortran(&self) -> bool {
        self.array.is_fortran
    }

    /// The element type after NumPy has read the array: it reverses bytes in a state, but not in a
    /// buffer.
    pub fn loaded_dtype(&self) -> NumpyDtype {
        let dtype = self.array.dtype;
        let big_endian = dtype.big_endian && (!self.array.is_state || cfg!(target_endian = "big"));
        NumpyDtype { big_endian, ..dtype }
    }

    /// The elements as the file has them, in the order of the strides; empty for objects.
    pub fn bytes(&self) -> &'p [u8] {
        self.raw()
    }

    /// The place of [`bytes`](ArrayView::bytes) in the file; `None` for objects, and for elements that
    /// the file holds only in encoded form.
    pub fn file_range(&self) -> Option<Range<usize>> {
        match &self.array.data {
            Data::Raw(span) if !span.decoded => {
                Some(span.start..span.start.saturating_add(span.len))
            }
            _ => None,
        }
    }

    /// The elements of an array of objects, in C order.
    pub fn objects(&self) -> Option<&'p [NodeId]> {
        match &self.array.data {
            Data::Objects(items) => Some(items),
            Data::Raw(_) => None,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.array.n_elements
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.array.n_elements == 0
    }

    /// Length of the first axis; 1 for a zero-dimensional array.
    pub fn n_rows(&self) -> usize {
        self.array.shape.first().copied().unwrap_or(1)
    }

    /// Number of elements at one index of the first axis.
    pub fn row_len(&self) -> usize {
        self.array.n_elements.checked_div(self.n_rows()).unwrap_or(0)
    }

    /// Size of the elements in the file, in bytes; for objects, in NumPy's memory.
    pub fn n_bytes(&self) -> u64 {
        (self.array.n_elements as u64).saturating_mul(self.array.dtype.item_size as u64)
    }

    /// The text at `idx`, counted in C order, of an array of text, bytes or objects that are text or
    /// bytes, without its NUL padding. `None` if out of range, and for other elements.
    pub fn raw_text(&self, idx: usize) -> Option<RawText<'p>> {
        match (&self.array.data, self.array.dtype.kind) {
            (Data::Objects(_), _) => self.pickle.raw_text(self.object(idx)?),
            (_, ScalarKind::Bytes) => {
                let bytes = self.element(idx)?;
                let last = bytes.iter().rposition(|byte| *byte != 0);
                let len = last.map_or(0, |last| last.saturating_add(1));
                bytes.get(..len).map(RawText::Bytes)
            }
            (_, ScalarKind::Unicode) => {
                let text = ucs4(self.element(idx)?, self.array.dtype.big_endian)?;
                Some(of_bytes(text.into()))
            }
            _ => None,
        }
    }

    /// Copies the elements at `row_idx` of the first axis into `out`, in C order, as float32, rounded
    /// to nearest. Returns the finite values that this made infinite.
    ///
    /// Elements beyond the end of `out` are ignored; values without a source (a row out of range, an
    /// array that is not numeric) become zero.
    pub fn read_f32(&self, row_idx: usize, out: &mut [f32]) -> Overflows {
        let dtype = self.array.dtype;
        let (taken, rest) = out.split_at_mut(self.row_len().min(out.len()));
        rest.fill(0.0);
        if !dtype.is_numeric() || row_idx >= self.n_rows() {
            taken.fill(0.0);
            return Overflows::default();
        }
        if self.array.is_c_order() && !dtype.big_endian && dtype.kind == ScalarKind::Float {
            let row_bytes = self.row_len().saturating_mul(dtype.item_size);
            let start = row_idx.saturating_mul(row_bytes);
            let bytes = self.raw().get(start..).unwrap_or(&[]);
            return match dtype.item_size {
                2 => copy_f16(bytes, taken),
                4 => copy_f32(bytes, taken),
                _ => copy_f64(bytes, taken),
            };
        }
        let start = row_idx.saturating_mul(self.row_len());
        let mut overflows = Overflows::default();
        for (idx, value) in taken.iter_mut().enumerate() {
            let number = self.number(start.saturating_add(idx)).unwrap_or(Number::Int(0));
            *value = number.to_f32();
            if let Some(wide) = number.overflow_of(*value) {
                overflows.push(idx, wide);
            }
        }
        overflows
    }

    /// The number at `idx`, counted in C order; `None` if out of range or not numeric.
    pub fn number(&self, idx: usize) -> Option<Number> {
        decode_number(self.array.dtype, self.element(idx)?)
    }

    /// The text at `idx`, counted in C order, of an array of text, bytes or objects that are text or
    /// bytes. Padding NULs are removed as in NumPy.
    ///
    /// `None` if out of range, for other elements, and for invalid Unicode or UTF-8.
    pub fn text(&self, idx: usize) -> Option<String> {
        match self.raw_text(idx)? {
            RawText::Str(text) => Some(text.into_owned()),
            RawText::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Into::into),
            RawText::ByteStr(_) => self.pickle.text(self.object(idx)?),
            RawText::Halves(_) => None,
        }
    }

    /// The value at `idx` of an object array, counted in C order.
    pub fn object(&self, idx: usize) -> Option<NodeId> {
        match &self.array.data {
            Data::Objects(items) => items.get(self.position(idx)?).copied(),
            Data::Raw(_) => None,
        }
    }

    fn raw(&self) -> &'p [u8] {
        match &self.array.data {
            Data::Raw(span) => self.pickle.span(*span),
            Data::Objects(_) => &[],
        }
    }

    pub(super) fn element(&self, idx: usize) -> Option<&'p [u8]> {
        let size = self.array.dtype.item_size;
        let start = self.position(idx)?.checked_mul(size)?;
        self.raw().get(start..start.checked_add(size)?)
    }

    /// Index in the data of the element that is `idx`-th in C order.
    fn position(&self, idx: usize) -> Option<usize> {
        if idx >= self.array.n_elements {
            return None;
        }
        let mut rest = idx;
        let mut position = 0_usize;
        for (len, stride) in self.array.shape.iter().zip(&self.array.strides).rev() {
            position = position.checked_add(rest.checked_rem(*len)?.checked_mul(*stride)?)?;
            rest = rest.checked_div(*len)?;
        }
        Some(position)
    }
}

/// The number encoded in the bytes of one element.
pub(super) fn decode_number(dtype: NumpyDtype, bytes: &[u8]) -> Option<Number> {
    let mut wide = [0_u8; 8];
    let target = wide.get_mut(..bytes.len())?;
    target.copy_from_slice(bytes);
    if dtype.big_endian {
        target.reverse();
    }
    let unsigned = u64::from_le_bytes(wide);
    Some(match (dtype.kind, bytes.len()) {
        (ScalarKind::Bool, _) => Number::Int(i128::from(unsigned != 0)),
        (ScalarKind::UInt, _) => Number::Int(i128::from(unsigned)),
        (ScalarKind::Int, 1) => Number::Int(i128::from(unsigned as u8 as i8)),
        (ScalarKind::Int, 2) => Number::Int(i128::from(unsigned as u16 as i16)),
        (ScalarKind::Int, 4) => Number::Int(i128::from(unsigned as u32 as i32)),
        (ScalarKind::Int, 8) => Number::Int(i128::from(unsigned as i64)),
        (ScalarKind::BFloat, 2) => Number::Float(half::bf16::from_bits(unsigned as u16).to_f64()),
        (ScalarKind::Float, 2) => Number::Float(half::f16::from_bits(unsigned as u16).to_f64()),
        (ScalarKind::Float, 4) => Number::Float(f64::from(f32::from_bits(unsigned as u32))),
        (ScalarKind::Float, 8) => Number::Float(f64::from_bits(unsigned)),
        _ => return None,
    })
}

fn copy_f16(bytes: &[u8], out: &mut [f32]) -> Overflows {
    // A block small enough for the stack and large enough for the vector conversion.
    const BLOCK: usize = 1024;
    let mut bits = [0_u16; BLOCK];
    for (out, bytes) in out.chunks_mut(BLOCK).zip(bytes.chunks(2 * BLOCK)) {
        for (bits, bytes) in bits.iter_mut().zip(bytes.chunks_exact(2)) {
            *bits = u16::from_le_bytes(bytes.try_into().unwrap_or_default());
        }
        if let Some(bits) = bits.get(..out.len()) {
            bits.reinterpret_cast::<half::f16>().convert_to_f32_slice(out);
        }
    }
    Overflows::default()
}

fn copy_f32(bytes: &[u8], out: &mut [f32]) -> Overflows {
    let (values, _) = bytes.as_chunks::<4>();
    for (out, value) in out.iter_mut().zip(values) {
        *out = f32::from_le_bytes(*value);
    }
    Overflows::default()
}

fn copy_f64(bytes: &[u8], out: &mut [f32]) -> Overflows {
    let (wide, _) = bytes.as_chunks::<8>();
    let mut any_infinite = false;
    for (out, wide) in out.iter_mut().zip(wide) {
        *out = f64::from_le_bytes(*wide) as f32;
        any_infinite |= out.is_infinite();
    }
    let mut overflows = Overflows::default();
    if any_infinite {
        for (idx, (out, wide)) in out.iter().zip(wide).enumerate() {
            if let Some(wide) = Number::Float(f64::from_le_bytes(*wide)).overflow_of(*out) {
                overflows.push(idx, wide);
            }
        }
    }
    overflows
}
