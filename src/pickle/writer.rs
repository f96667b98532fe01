//! Writes pickles of dicts, lists, text, numbers and arrays, in protocol 4.
//!
//! Arrays are written as a call of `numpy.ndarray` followed by the result's state. Its two names
//! (`numpy ndarray`, `numpy dtype`) are the same in NumPy 1 and 2, while the functions that NumPy
//! itself writes moved from `numpy.core` to `numpy._core`: these files load in both without a warning.
//! Nothing is kept in memory: the caller writes array elements as they become available.

use std::io::{self, Write};

use super::opcode::Opcode as Op;

/// Element types that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayDtype {
    /// Little-endian `float32`.
    F32,
    /// Little-endian `float64`.
    F64,
    /// Little-endian `int32`.
    I32,
    /// Little-endian `int64`.
    I64,
}

impl ArrayDtype {
    /// Bytes per element.
    pub fn item_size(self) -> usize {
        match self {
            ArrayDtype::F32 | ArrayDtype::I32 => 4,
            ArrayDtype::F64 | ArrayDtype::I64 => 8,
        }
    }

    fn code(self) -> &'static str {
        match self {
            ArrayDtype::F32 => "f4",
            ArrayDtype::F64 => "f8",
            ArrayDtype::I32 => "i4",
            ArrayDtype::I64 => "i8",
        }
    }
}

/// Writes one pickle. A file is one value: call one of the methods for it, or
/// [`begin_dict`](Writer::begin_dict), then [`key`](Writer::key) and a value for each entry, then
/// [`end_dict`](Writer::end_dict); and [`finish`](Writer::finish) at the end.
pub struct Writer<W: Write> {
    inner: W,
    /// Bytes that the most recent array still needs.
    n_pending: u64,
    n_open_dicts: usize,
}

impl<W: Write> Writer<W> {
    /// Begins a pickle.
    ///
    /// # Errors
    /// If `inner` cannot be written to.
    pub fn new(mut inner: W) -> io::Result<Writer<W>> {
        inner.write_all(&[Op::PROTO as u8, 4])?;
        Ok(Writer { inner, n_pending: 0, n_open_dicts: 0 })
    }

    /// Begins a dict.
    ///
    /// # Errors
    /// If the output cannot be written to, or an array is not complete.
    pub fn begin_dict(&mut self) -> io::Result<()> {
        self.n_open_dicts = self.n_open_dicts.saturating_add(1);
        self.ops(&[Op::EMPTY_DICT, Op::MARK])
    }

    /// Writes the key of the next entry, whose value follows.
    ///
    /// # Errors
    /// If the output cannot be written to, or an array is not complete.
    pub fn key(&mut self, key: &str) -> io::Result<()> {
        self.str(key)
    }

    /// Ends the innermost dict.
    ///
    /// # Errors
    /// If the output cannot be written to, an array is not complete, or no dict is open.
    pub fn end_dict(&mut self) -> io::Result<()> {
        let Some(n_open_dicts) = self.n_open_dicts.checked_sub(1) else {
            return Err(misuse("a dict is ended that was not begun"));
        };
        self.n_open_dicts = n_open_dicts;
        self.ops(&[Op::SETITEMS])
    }

    /// Writes a text.
    ///
    /// # Errors
    /// If the output cannot be written to, an array is not complete, or the text has 4 GiB.
    pub fn str(&mut self, text: &str) -> io::Result<()> {
        match u8::try_from(text.len()) {
            Ok(len) => self.raw(&[Op::SHORT_BINUNICODE as u8, len])?,
            Err(_) => {
                let len = u32::try_from(text.len()).map_err(|_| misuse("a text is too long"))?;
                self.ops(&[Op::BINUNICODE])?;
                self.raw(&len.to_le_bytes())?;
            }
        }
        self.raw(text.as_bytes())
    }

    /// Writes an integer.
    ///
    /// # Errors
    /// If the output cannot be written to, or an array is not complete.
    pub fn int(&mut self, value: i64) -> io::Result<()> {
        if let Ok(value) = i32::try_from(value) {
            self.ops(&[Op::BININT])?;
            return self.raw(&value.to_le_bytes());
        }
        self.raw(&[Op::LONG1 as u8, 8])?;
        self.raw(&value.to_le_bytes())
    }

    /// Writes a float.
    ///
    /// # Errors
    /// If the output cannot be written to, or an array is not complete.
    pub fn float(&mut self, value: f64) -> io::Result<()> {
        self.ops(&[Op::BINFLOAT])?;
        self.raw(&value.to_be_bytes())
    }

    /// Writes a list of texts.
    ///
    /// # Errors
    /// Same as [`str`](Writer::str).
    pub fn str_list<S: AsRef<str>>(
        &mut self,
        items: impl IntoIterator<Item = S>,
    ) -> io::Result<()> {
        self.ops(&[Op::EMPTY_LIST, Op::MARK])?;
        for item in items {
            self.str(item.as_ref())?;
        }
        self.ops(&[Op::APPENDS])
    }

    /// Writes a list of integers.
    ///
    /// # Errors
    /// Same as [`int`](Writer::int).
    pub fn int_list(&mut self, items: impl IntoIterator<Item = i64>) -> io::Result<()> {
        self.ops(&[Op::EMPTY_LIST, Op::MARK])?;
        for item in items {
            self.int(item)?;
        }
        self.ops(&[Op::APPENDS])
    }

    /// Begins a C-ordered array. Write its elements with [`elements`](Writer::elements).
    ///
    /// # Errors
    /// If the output cannot be written to, an array is not complete, or the size overflows.
    pub fn begin_array(&mut self, dtype: ArrayDtype, shape: &[usize]) -> io::Result<()> {
        let n_bytes = shape
            .iter()
            .try_fold(dtype.item_size(), |size, len| size.checked_mul(*len))
            .and_then(|n_bytes| u64::try_from(n_bytes).ok())
            .filter(|n_bytes| i64::try_from(*n_bytes).is_ok())
            .ok_or_else(|| misuse("the size of an array overflows"))?;
        // `numpy.ndarray((0,))`, an array for BUILD to fill.
        self.global("numpy", "ndarray")?;
        self.int(0)?;
        self.ops(&[Op::TUPLE1, Op::TUPLE1, Op::REDUCE])?;
        // Its state: version, shape, dtype, whether in Fortran order, elements.
        self.ops(&[Op::MARK])?;
        self.int(1)?;
        self.ops(&[Op::MARK])?;
        for len in shape {
            self.int(i64::try_from(*len).map_err(|_| misuse("an axis is too long"))?)?;
        }
        self.ops(&[Op::TUPLE])?;
        self.dtype(dtype)?;
        self.ops(&[Op::NEWFALSE, Op::BINBYTES8])?;
        self.raw(&n_bytes.to_le_bytes())?;
        self.n_pending = n_bytes;
        self.end_array_if_complete()
    }

    /// Writes the next elements of the current array, little-endian.
    ///
    /// # Errors
    /// If the output cannot be written to, or there are more bytes than the array needs.
    pub fn elements(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.n_pending = self
            .n_pending
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| misuse("an array got more elements than it has"))?;
        self.inner.write_all(bytes)?;
        self.end_array_if_complete()
    }

    /// Writes the next elements of the current `float32` array.
    ///
    /// # Errors
    /// Same as [`elements`](Writer::elements).
    pub fn elements_f32(&mut self, values: &[f32]) -> io::Result<()> {
        if cfg!(target_endian = "little") {
            return self.elements(bytemuck::cast_slice(values));
        }
        values.iter().try_for_each(|value| self.elements(&value.to_le_bytes()))
    }

    /// Writes a whole `float32` array.
    ///
    /// # Errors
    /// Same as [`begin_array`](Writer::begin_array) and [`elements`](Writer::elements); also if the
    /// array is not complete.
    pub fn array_f32(&mut self, shape: &[usize], values: &[f32]) -> io::Result<()> {
        self.begin_array(ArrayDtype::F32, shape)?;
        self.elements_f32(values)?;
        self.raw(&[])
    }

    /// Writes a whole `int64` array.
    ///
    /// # Errors
    /// Same as [`array_f32`](Writer::array_f32).
    pub fn array_i64(&mut self, shape: &[usize], values: &[i64]) -> io::Result<()> {
        self.begin_array(ArrayDtype::I64, shape)?;
        self.chunks(values, |value| value.to_le_bytes())
    }

    /// Ends the pickle, flushes the output and returns it.
    ///
    /// # Errors
    /// If the output cannot be written to, an array is not complete, or a dict is open.
    pub fn finish(mut self) -> io::Result<W> {
        if self.n_open_dicts != 0 {
            return Err(misuse("a dict is not ended"));
        }
        self.ops(&[Op::STOP])?;
        self.inner.flush()?;
        Ok(self.inner)
    }

    fn chunks<T: Copy, const N: usize>(
        &mut self,
        values: &[T],
        bytes: fn(T) -> [u8; N],
    ) -> io::Result<()> {
        const CHUNK: usize = 8192;
        for values in values.chunks(CHUNK) {
            let chunk: Vec<u8> = values.iter().flat_map(|value| bytes(*value)).collect();
            self.elements(&chunk)?;
        }
        self.raw(&[])
    }

    fn end_array_if_complete(&mut self) -> io::Result<()> {
        if self.n_pending == 0 { self.ops(&[Op::TUPLE, Op::BUILD]) } else { Ok(()) }
    }

    fn dtype(&mut self, dtype: ArrayDtype) -> io::Result<()> {
        self.global("numpy", "dtype")?;
        self.str(dtype.code())?;
        self.ops(&[Op::NEWFALSE, Op::NEWTRUE, Op::TUPLE3, Op::REDUCE, Op::MARK])?;
        self.int(3)?;
        self.str("<")?;
        self.ops(&[Op::NONE, Op::NONE, Op::NONE])?;
        self.int(-1)?;
        self.int(-1)?;
        self.int(0)?;
        self.ops(&[Op::TUPLE, Op::BUILD])
    }

    fn global(&mut self, module: &str, attribute: &str) -> io::Result<()> {
        self.str(module)?;
        self.str(attribute)?;
        self.ops(&[Op::STACK_GLOBAL])
    }

    fn ops(&mut self, opcodes: &[Op]) -> io::Result<()> {
        opcodes.iter().try_for_each(|opcode| self.raw(&[*opcode as u8]))
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.n_pending != 0 {
            return Err(misuse("an array got fewer elements than it has"));
        }
        self.inner.write_all(bytes)
    }
}

fn misuse(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Pickle};
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.begin_dict().unwrap();
        writer.key("a").unwrap();
        writer.array_f32(&[2, 2], &[1.0, -0.5, f32::MAX, 3.0]).unwrap();
        writer.key("none").unwrap();
        writer.array_i64(&[0, 3], &[]).unwrap();
        writer.key("ids").unwrap();
        writer.str_list(["x", &"é".repeat(200)]).unwrap();
        writer.key("lengths").unwrap();
        writer.int_list([-1, i64::MAX]).unwrap();
        writer.end_dict().unwrap();
        let pickle = Pickle::from_bytes(writer.finish().unwrap(), &Limits::default()).unwrap();
        let root = pickle.root();
        let array = pickle.array(pickle.get(root, "a").unwrap()).unwrap();
        let mut row = [9.0; 3];
        assert!(array.read_f32(1, &mut row).is_empty());
        assert_eq!((array.shape(), row), (&[2, 2][..], [f32::MAX, 3.0, 0.0]));
        let none = pickle.array(pickle.get(root, "none").unwrap()).unwrap();
        assert_eq!(none.shape(), [0, 3]);
        let lengths = pickle.items(pickle.get(root, "lengths").unwrap()).unwrap();
        assert_eq!(pickle.value(lengths[1]), Some(&super::super::Value::Int(i64::MAX)));
    }

    #[test]
    fn misuse_is_an_error() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        assert!(writer.end_dict().is_err());
        writer.begin_array(ArrayDtype::F32, &[1]).unwrap();
        assert!(writer.str("early").is_err());
        assert!(writer.elements(&[0; 5]).is_err());
    }
}
