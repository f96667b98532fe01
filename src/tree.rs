//! The tree printed by `inspect`, for a pickle or a store.

use std::fmt;

use serde::Serialize;

/// A named item and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// Key, index or file name.
    pub name: String,
    /// Type, shape, size or first values, on one line; may be empty.
    pub detail: String,
    /// Children in order.
    pub children: Vec<Tree>,
}

impl Tree {
    /// A node without children.
    pub fn leaf(name: impl Into<String>, detail: impl Into<String>) -> Tree {
        Tree { name: name.into(), detail: detail.into(), children: Vec::new() }
    }

    /// Widest name with its indentation, so that details line up in one column.
    fn name_width(&self, depth: usize) -> usize {
        let own = 2 * depth + self.name.chars().count();
        let inner = self.children.iter().map(|child| child.name_width(depth + 1));
        inner.max().unwrap_or(0).max(own)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize, width: usize) -> fmt::Result {
        let indent = 2 * depth;
        let line =
            format!("{:indent$}{:<fill$}  {}", "", self.name, self.detail, fill = width - indent);
        writeln!(f, "{}", line.trim_end())?;
        self.children.iter().try_for_each(|child| child.write(f, depth + 1, width))
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0, self.name_width(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_line_up_in_one_column() {
        let tree = Tree {
            name: "a".into(),
            detail: "dict".into(),
            children: vec![Tree::leaf("long_name", "int"), Tree::leaf("b", "")],
        };
        assert_eq!(tree.to_string(), "a            dict\n  long_name  int\n  b\n");
    }
}
