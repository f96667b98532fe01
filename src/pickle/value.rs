//! The values of a pickle, which refer to each other by index and to the file by byte range.

use std::sync::Arc;

use super::numpy::{Array, NumpyDtype, ScalarKind};
use super::place::{NodeId, Span};
use super::storage::Storage;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer that fits 64 bits.
    Int(i64),
    /// A larger integer: its two's complement bytes, least significant first, at least 9.
    BigInt(Span),
    /// A float.
    Float(f64),
    /// Text, in UTF-8.
    Str(Span),
    /// Text with halves of surrogate pairs, which no other program can print: otherwise UTF-8, as
    /// written by Python's `surrogatepass`.
    HalfStr(Span),
    /// A Python 2 `str`: bytes that readers decode as latin-1.
    ByteStr(Span),
    /// `bytes` or `bytearray`.
    Bytes(Span),
    /// A list.
    List(Vec<NodeId>),
    /// A tuple.
    Tuple(Vec<NodeId>),
    /// A set, in written order, without duplicates.
    Set(Vec<NodeId>),
    /// A frozen set, in written order, without duplicates.
    FrozenSet(Vec<NodeId>),
    /// A dict, `OrderedDict`, `defaultdict` or `Counter`, in insertion order, with unique keys.
    Dict(Vec<(NodeId, NodeId)>),
    /// A NumPy array or a PyTorch tensor.
    Array(Arc<Array>),
    /// The elements of a PyTorch tensor, which alone are not an array.
    Storage(Box<Storage>),
    /// A NumPy dtype.
    Dtype(NumpyDtype),
    /// One of the allowed names, used as a value; never called.
    Global(Callable),
}

impl Value {
    /// The type in one or two words.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) | Value::HalfStr(_) | Value::ByteStr(_) => "str",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Set(_) => "set",
            Value::FrozenSet(_) => "frozenset",
            Value::Dict(_) => "dict",
            Value::Array(_) => "array",
            Value::Storage(_) => "storage",
            Value::Dtype(_) => "dtype",
            Value::Global(_) => "constructor",
        }
    }
}

/// The type of a value in Python, for the types that [`Value`] has one form for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `bytearray`; other [`Value::Bytes`] are `bytes`.
    ByteArray,
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `collections.Counter`.
    Counter,
    /// `collections.defaultdict` with its factory, if any.
    DefaultDict(Option<Callable>),
    /// A NumPy scalar of that kind, with its size in bytes; 0 for text and bytes, whose size is that of
    /// the value.
    Scalar(ScalarKind, u8),
}

/// A value and its offset in the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) offset: u64,
}

macro_rules! callables {
    ($($(#[$doc:meta])* $name:ident: $($module:literal)|+, $attribute:literal $(| $also:literal)*;)*) => {
        /// A name that a pickle may mention. The machine implements each of them; it cannot run any
        /// Python code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Callable {
            $($(#[$doc])* $name,)*
        }

        impl Callable {
            /// The allowed name `module.attribute`, if it is one.
            pub fn find(module: &str, attribute: &str) -> Option<Callable> {
                match (module, attribute) {
                    $(($($module)|+, $attribute $(| $also)*) => Some(Callable::$name),)*
                    _ => None,
                }
            }

            /// The last part of the name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Callable::$name => $attribute,)*
                }
            }
        }
    };
}

callables! {
    /// `numpy.core.multiarray._reconstruct`: an empty array, filled by BUILD.
    Reconstruct: "numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct";
    /// `numpy.core.multiarray.scalar`: one array element.
    Scalar: "numpy.core.multiarray" | "numpy._core.multiarray", "scalar";
    /// `numpy.core.numeric._frombuffer`: an array from a buffer (protocol 5).
    FromBuffer: "numpy.core.numeric" | "numpy._core.numeric", "_frombuffer";
    /// `numpy.ndarray`.
    Ndarray: "numpy", "ndarray";
    /// `numpy.dtype`.
    Dtype: "numpy", "dtype";
    /// `_codecs.encode`: how protocols 0 to 2 spell `bytes`.
    Encode: "_codecs", "encode";
    /// `bytes`.
    Bytes: "builtins" | "__builtin__", "bytes";
    /// `bytearray`.
    ByteArray: "builtins" | "__builtin__", "bytearray";
    /// `list`.
    List: "builtins" | "__builtin__", "list";
    /// `tuple`.
    Tuple: "builtins" | "__builtin__", "tuple";
    /// `set`.
    Set: "builtins" | "__builtin__", "set";
    /// `frozenset`.
    FrozenSet: "builtins" | "__builtin__", "frozenset";
    /// `dict`.
    Dict: "builtins" | "__builtin__", "dict";
    /// `bool`, which like the next three is a `defaultdict` factory and never called.
    Bool: "builtins" | "__builtin__", "bool";
    /// `int`, called `long` in protocols 0 to 2.
    Int: "builtins" | "__builtin__", "int" | "long";
    /// `float`.
    Float: "builtins" | "__builtin__", "float";
    /// `str`, called `unicode` in protocols 0 to 2.
    Str: "builtins" | "__builtin__", "str" | "unicode";
    /// `collections.Counter`.
    Counter: "collections", "Counter";
    /// `collections.OrderedDict`.
    OrderedDict: "collections", "OrderedDict";
    /// `collections.defaultdict`.
    DefaultDict: "collections", "defaultdict";
    /// `torch._utils._rebuild_tensor`: an array over a storage.
    RebuildTensor: "torch._utils", "_rebuild_tensor";
    /// `torch._utils._rebuild_tensor_v2`: the same plus what gradients need.
    RebuildTensorV2: "torch._utils", "_rebuild_tensor_v2";
    /// `torch._utils._rebuild_tensor_v3`: the same plus an element type.
    RebuildTensorV3: "torch._utils", "_rebuild_tensor_v3";
    /// `torch._utils._rebuild_parameter`: a tensor that was a parameter.
    RebuildParameter: "torch._utils", "_rebuild_parameter";
    /// `torch.storage._load_from_bytes`: the storage in a small `torch.save` file.
    LoadFromBytes: "torch.storage", "_load_from_bytes";
    /// `torch.Size`: a tuple.
    TorchSize: "torch", "Size";
    /// The class of untyped bytes, which like the next ones names a storage's element type.
    UntypedStorage: "torch" | "torch.storage", "UntypedStorage";
    /// float64.
    DoubleStorage: "torch", "DoubleStorage";
    /// float32.
    FloatStorage: "torch", "FloatStorage";
    /// float16.
    HalfStorage: "torch", "HalfStorage";
    /// bfloat16.
    BFloat16Storage: "torch", "BFloat16Storage";
    /// int64.
    LongStorage: "torch", "LongStorage";
    /// int32.
    IntStorage: "torch", "IntStorage";
    /// int16.
    ShortStorage: "torch", "ShortStorage";
    /// int8.
    CharStorage: "torch", "CharStorage";
    /// uint8.
    ByteStorage: "torch", "ByteStorage";
    /// Booleans of one byte.
    BoolStorage: "torch", "BoolStorage";
    /// The element type uint16, which like the next two has no storage class.
    TorchUInt16: "torch", "uint16";
    /// uint32.
    TorchUInt32: "torch", "uint32";
    /// uint64.
    TorchUInt64: "torch", "uint64";
}
