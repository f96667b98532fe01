//! Describes a pickle as a readable tree of bounded size.

use crate::tree::Tree;
use crate::words::human_bytes;

use super::content::Pickle;
use super::place::NodeId;
use super::raw::RawText;
use super::value::Value;
use super::view::ArrayView;

/// Levels to show; feature files have their arrays on the third.
const SHOWN_LEVELS: usize = 6;
/// Children to show per container.
const SHOWN_CHILDREN: usize = 40;
/// Lines to show per file, however deeply its containers are nested.
const SHOWN_LINES: usize = 1000;
/// Elements to show of a list or array of text.
const SHOWN_ITEMS: usize = 3;
/// Characters to show of a text.
const SHOWN_CHARS: usize = 24;

/// Stands for a value that the pickle does not have, which never happens.
const UNKNOWN: &str = "unknown value";

/// The tree of a pickle, with the root `name`.
///
/// The children of a dict are its entries. Lists and tuples are described by their first elements,
/// because the elements of a dataset are alike.
pub fn describe(pickle: &Pickle, name: &str) -> Tree {
    let mut lines_left = SHOWN_LINES;
    let describer = Describer { pickle };
    let mut tree = match pickle.roots() {
        [_, _, ..] => {
            let roots = pickle.roots().iter().take(SHOWN_CHILDREN).enumerate();
            let children = roots
                .map(|(idx, root)| describer.node(*root, &format!("({idx})"), 1, &mut lines_left))
                .collect();
            let detail = format!("{} pickles one after another", pickle.roots().len());
            Tree { name: name.into(), detail, children }
        }
        _ => describer.node(pickle.root(), name, 0, &mut lines_left),
    };
    let size = human_bytes(pickle.len() as u64);
    tree.detail = format!("pickle, protocol {}, {size}: {}", pickle.protocol(), tree.detail);
    if pickle.n_trailing_bytes() > 0 {
        tree.detail += &format!(", followed by {} more bytes", pickle.n_trailing_bytes());
    }
    tree
}

struct Describer<'p> {
    pickle: &'p Pickle,
}

impl Describer<'_> {
    fn node(&self, id: NodeId, name: &str, level: usize, lines_left: &mut usize) -> Tree {
        *lines_left = lines_left.saturating_sub(1);
        let mut tree = Tree::leaf(name, self.detail(id));
        if level >= SHOWN_LEVELS {
            return tree;
        }
        let children: Vec<(String, NodeId)> = match self.pickle.value(id) {
            Some(Value::Dict(entries)) => {
                let entries = entries.iter().take(SHOWN_CHILDREN);
                entries.map(|(key, value)| (self.key(*key), *value)).collect()
            }
            Some(Value::List(items)) => {
                let first = items.first().filter(|first| self.is_container(**first));
                first.map(|first| ("[0]".into(), *first)).into_iter().collect()
            }
            Some(Value::Tuple(items)) => {
                let items = items.iter().take(SHOWN_CHILDREN).enumerate();
                items.map(|(idx, item)| (format!("[{idx}]"), *item)).collect()
            }
            _ => Vec::new(),
        };
        for (name, child) in children {
            if *lines_left == 0 {
                return tree;
            }
            tree.children.push(self.node(child, &name, level + 1, lines_left));
        }
        if let Some(Value::Dict(entries)) = self.pickle.value(id)
            && entries.len() > SHOWN_CHILDREN
        {
            let n_more = entries.len() - SHOWN_CHILDREN;
            tree.children.push(Tree::leaf("...", format!("{n_more} more")));
        }
        tree
    }

    fn detail(&self, id: NodeId) -> String {
        match self.pickle.value(id) {
            Some(Value::Dict(entries)) => format!("dict of {}", entries.len()),
            Some(Value::List(items)) => self.sequence("list", items),
            Some(Value::Tuple(items)) => format!("tuple of {}", items.len()),
            Some(Value::Set(items)) => self.sequence("set", items),
            Some(Value::FrozenSet(items)) => self.sequence("frozenset", items),
            Some(Value::Bytes(span)) if span.len() > SHOWN_CHARS => {
                format!("bytes, {}", human_bytes(span.len() as u64))
            }
            Some(Value::Array(_)) => self.pickle.array(id).map(array_detail).unwrap_or_default(),
            _ => self.scalar(id),
        }
    }

    /// Formats a sequence as `list of 1284 str: 'a', 'b', 'c', ...`.
    fn sequence(&self, kind: &str, items: &[NodeId]) -> String {
        let Some(first) = items.first() else { return format!("empty {kind}") };
        let first_type = self.type_name(*first);
        // The first thousand elements are enough to recognise lists of one type.
        let alike = |item: &NodeId| self.type_name(*item) == first_type;
        let uniform = items.iter().take(1000).all(alike);
        let head = match uniform {
            true => format!("{kind} of {} {first_type}", items.len()),
            false => format!("{kind} of {}", items.len()),
        };
        if self.is_container(*first) {
            return head;
        }
        let shown: Vec<String> =
            items.iter().take(SHOWN_ITEMS).map(|item| self.scalar(*item)).collect();
        head + &first_of(&shown, items.len())
    }

    fn scalar(&self, id: NodeId) -> String {
        match self.pickle.value(id) {
            Some(Value::Int(value)) => value.to_string(),
            Some(Value::BigInt(span)) => format!("int of {} bytes", span.len()),
            Some(Value::Float(value)) => value.to_string(),
            Some(Value::Bool(true)) => "True".into(),
            Some(Value::Bool(false)) => "False".into(),
            Some(Value::Dtype(dtype)) => format!("dtype {dtype}"),
            Some(Value::Global(name)) => format!("constructor {}", name.name()),
            _ => match self.pickle.raw_text(id) {
                Some(text @ RawText::Bytes(_)) => format!("b{}", quoted(&text.shown())),
                Some(text) => quoted(&text.shown()),
                None => self.type_name(id).into(),
            },
        }
    }

    fn type_name(&self, id: NodeId) -> &'static str {
        self.pickle.value(id).map_or(UNKNOWN, Value::type_name)
    }

    fn key(&self, id: NodeId) -> String {
        match self.pickle.str(id) {
            Some(text) => shortened(&text),
            None => self.scalar(id),
        }
    }

    fn is_container(&self, id: NodeId) -> bool {
        matches!(
            self.pickle.value(id),
            Some(
                Value::Dict(_)
                    | Value::List(_)
                    | Value::Tuple(_)
                    | Value::Set(_)
                    | Value::FrozenSet(_)
                    | Value::Array(_)
            )
        )
    }
}

/// Formats `float32 [1284, 50, 768] 188.1 MiB`, with the first elements of a text array.
fn array_detail(array: ArrayView<'_>) -> String {
    let mut detail =
        format!("{} {:?} {}", array.dtype(), array.shape(), human_bytes(array.n_bytes()));
    let shown: Option<Vec<String>> = (0..array.len().min(SHOWN_ITEMS))
        .map(|idx| array.raw_text(idx).map(|text| quoted(&text.shown())))
        .collect();
    if let Some(shown) = shown.filter(|shown| !shown.is_empty()) {
        detail += &first_of(&shown, array.len());
    }
    detail
}

fn first_of(shown: &[String], n_items: usize) -> String {
    let more = if shown.len() < n_items { ", ..." } else { "" };
    format!(": {}{more}", shown.join(", "))
}

fn quoted(text: &str) -> String {
    format!("'{}'", shortened(text))
}

/// The beginning of a text, without control characters that could affect a terminal.
fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::new();
    for char in chars.by_ref().take(SHOWN_CHARS) {
        if char.is_control() { out.extend(char.escape_default()) } else { out.push(char) }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}
