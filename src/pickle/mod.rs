//! A pickle reader that cannot execute anything, and a writer of plain pickles.
//!
//! [`Pickle::open`] maps a file and runs a stack machine over its instructions. The result is a table
//! of values; arrays and long strings stay byte ranges of the map, so that a file of any size needs
//! little memory. Every opcode of protocols 0 to 5 is known. Names are looked up in the fixed list
//! [`Callable`] (NumPy's reconstruction functions, `_codecs.encode`, builtin containers, `OrderedDict`,
//! `defaultdict`, `Counter`, PyTorch's tensors), each implemented here; any other name is an error that
//! reports its offset. Out-of-band buffers and extension codes are refused, and so are persistent ids
//! except for tensor storages in the same file.
//!
//! This module must not know any dataset: the meaning of keys and shapes is not its concern. Nor does
//! it know compressions and archives: callers pass the pickle's place in the file.

mod call;
mod content;
mod describe;
mod error;
mod foreign;
mod graph;
pub mod limits;
mod machine;
mod number;
mod numpy;
mod opcode;
mod place;
mod raw;
mod scan;
mod state;
mod storage;
mod tensor;
mod text;
mod value;
mod view;
mod walk;
mod writer;

pub use content::{Pickle, PickleStart, Places};
pub use describe::describe;
pub use error::PickleError;
pub use limits::Limits;
pub use number::Number;
pub use numpy::{Data, NumpyDtype, ScalarKind};
pub use opcode::Opcode;
pub use place::{NodeId, Span};
pub use raw::{Part, RawText, parts};
pub use scan::{Global, LISTED_GLOBALS, Refusal, Scan, ScanLine, Unread};
pub use storage::Storage;
pub use value::{Callable, Class, Value};
pub use view::{ArrayView, SharedArray};
pub use writer::{ArrayDtype, Writer};
