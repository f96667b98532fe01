//! The opcodes of pickle protocols 0 to 5, with the names that Python's `pickletools` uses.

macro_rules! opcodes {
    ($($name:ident = $byte:literal,)*) => {
        /// One instruction of a pickle stream.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        // Names as in `pickletools`, which also documents them.
        #[allow(missing_docs, non_camel_case_types, clippy::upper_case_acronyms)]
        pub enum Opcode {
            $($name = $byte,)*
        }

        impl Opcode {
            /// The opcode of `byte`, if any.
            pub fn from_byte(byte: u8) -> Option<Opcode> {
                match byte {
                    $($byte => Some(Opcode::$name),)*
                    _ => None,
                }
            }

            /// The name in Python's documentation.
            pub fn name(self) -> &'static str {
                match self {
                    $(Opcode::$name => stringify!($name),)*
                }
            }
        }
    };
}

opcodes! {
    // Control.
    PROTO = 0x80,
    FRAME = 0x95,
    STOP = b'.',
    // Constants and numbers.
    NONE = b'N',
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    INT = b'I',
    BININT = b'J',
    BININT1 = b'K',
    BININT2 = b'M',
    LONG = b'L',
    LONG1 = 0x8a,
    LONG4 = 0x8b,
    FLOAT = b'F',
    BINFLOAT = b'G',
    // Strings and bytes.
    STRING = b'S',
    BINSTRING = b'T',
    SHORT_BINSTRING = b'U',
    UNICODE = b'V',
    BINUNICODE = b'X',
    SHORT_BINUNICODE = 0x8c,
    BINUNICODE8 = 0x8d,
    BINBYTES = b'B',
    SHORT_BINBYTES = b'C',
    BINBYTES8 = 0x8e,
    BYTEARRAY8 = 0x96,
    // Containers.
    EMPTY_LIST = b']',
    LIST = b'l',
    APPEND = b'a',
    APPENDS = b'e',
    EMPTY_TUPLE = b')',
    TUPLE = b't',
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    EMPTY_DICT = b'}',
    DICT = b'd',
    SETITEM = b's',
    SETITEMS = b'u',
    EMPTY_SET = 0x8f,
    ADDITEMS = 0x90,
    FROZENSET = 0x91,
    // The stack and the memo.
    MARK = b'(',
    POP = b'0',
    POP_MARK = b'1',
    DUP = b'2',
    GET = b'g',
    BINGET = b'h',
    LONG_BINGET = b'j',
    PUT = b'p',
    BINPUT = b'q',
    LONG_BINPUT = b'r',
    MEMOIZE = 0x94,
    // Names and calls.
    GLOBAL = b'c',
    STACK_GLOBAL = 0x93,
    REDUCE = b'R',
    BUILD = b'b',
    INST = b'i',
    OBJ = b'o',
    NEWOBJ = 0x81,
    NEWOBJ_EX = 0x92,
    // References to things outside the file; always refused.
    EXT1 = 0x82,
    EXT2 = 0x83,
    EXT4 = 0x84,
    PERSID = b'P',
    BINPERSID = b'Q',
    NEXT_BUFFER = 0x97,
    READONLY_BUFFER = 0x98,
}
