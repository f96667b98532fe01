//! The library's modules as a tree, and the imports between files.
//!
//! An import is a `use`, or any path that names something in another file: `crate::store::write` inside
//! a function counts as much as a `use` at the top. It belongs to the file that defines the name:
//! re-exports, aliases and globs are followed. `mod child;` and a `pub use` of a child's names only
//! arrange names, and are not imports. Test code does not count.
//!
//! `enabled.rs` and `disabled.rs` are two forms of the folder's own module, selected by a cargo
//! feature; the second has no more than the names of the first and is left out.
//!
//! The parser sees one file at a time, before macro expansion. Paths in the arguments of macros and
//! attributes are found as chains of names; names defined by a macro are looked up in the file that
//! calls it.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A module's path below the crate's root.
pub type Path = Vec<String>;

/// Maximum number of aliases to a name: one that leads to itself belongs to another crate.
const MAX_ALIASES: usize = 16;

/// Whether a file is a module of the library.
pub fn is_module(path: &str) -> bool {
    path.starts_with("src/")
        && path.ends_with(".rs")
        && path != "src/main.rs"
        && !path.starts_with("src/bin/")
        && !path.ends_with("/disabled.rs")
}

/// All modules of the library, without tests.
#[derive(Debug, Default)]
pub struct Tree {
    modules: BTreeMap<Path, Module>,
    /// Types that other files can name.
    pub types: Vec<Type>,
    /// One per pair of files.
    pub imports: Vec<Import>,
}

/// A type that is visible outside its file.
#[derive(Debug)]
pub struct Type {
    pub name: String,
    pub file: String,
    pub line: usize,
}

/// The first place where one file imports from another.
#[derive(Debug, Clone)]
pub struct Import {
    pub from: End,
    pub to: End,
    /// Line in the importing file.
    pub line: usize,
    /// The path as it is written there.
    pub written: String,
}

/// A file and its module.
#[derive(Debug, Clone)]
pub struct End {
    pub file: String,
    pub module: Path,
}

#[derive(Debug, Default)]
struct Module {
    file: String,
    items: BTreeSet<String>,
    aliases: BTreeMap<String, Path>,
    globs: Vec<Path>,
}

/// A path in the code of a module.
struct Mention {
    module: Path,
    path: Path,
    line: usize,
    is_glob: bool,
    is_reexport: bool,
}

impl Tree {
    /// Reads the modules of the library from path and text of each file.
    pub fn parse<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Tree, String> {
        let mut parsed = Vec::new();
        let mut tests = BTreeSet::new();
        for (file, text) in files {
            let syntax = syn::parse_file(text)
                .map_err(|error| format!("{file}:{}: {error}", line(error.span())))?;
            let module = module_path(file);
            for item in &syntax.items {
                if let syn::Item::Mod(child) = item
                    && is_test(&child.attrs)
                {
                    tests.insert([&module[..], &[child.ident.to_string()]].concat());
                }
            }
            parsed.push((file, module, syntax));
        }
        let mut tree = Tree::default();
        let mut mentions = Vec::new();
        for (file, module, syntax) in &parsed {
            if (1..=module.len()).any(|n| tests.contains(&module[..n])) {
                continue;
            }
            let mut reader = Reader { file, module: module.clone(), tree, mentions };
            reader.enter();
            reader.visit_file(syntax);
            (tree, mentions) = (reader.tree, reader.mentions);
        }
        tree.imports = tree.resolve_all(&mentions);
        Ok(tree)
    }

    /// The modules directly below the crate's root.
    pub fn top_modules(&self) -> BTreeSet<&str> {
        self.modules.keys().filter_map(|path| path.first()).map(String::as_str).collect()
    }

    fn resolve_all(&self, mentions: &[Mention]) -> Vec<Import> {
        let mut found: BTreeMap<(&str, &str), Import> = BTreeMap::new();
        for mention in mentions {
            let Some(target) = self.resolve(&mention.module, &mention.path, 0) else { continue };
            // Naming a module imports nothing by itself: the names used through it do.
            if target.is_module && !mention.is_glob {
                continue;
            }
            let (from, to) = (&self.modules[&mention.module], &self.modules[&target.module]);
            if from.file == to.file
                || mention.is_reexport && module_path(&to.file).starts_with(&mention.module)
            {
                continue;
            }
            let end = |module: &Module| End {
                file: module.file.clone(),
                module: module_path(&module.file),
            };
            let import = Import {
                from: end(from),
                to: end(to),
                line: mention.line,
                written: mention.path.join("::"),
            };
            let first = found.entry((&from.file, &to.file)).or_insert_with(|| import.clone());
            if import.line < first.line {
                *first = import;
            }
        }
        found.into_values().collect()
    }

    /// Resolves a path written in a module; `None` for names of other crates.
    fn resolve(&self, module: &[String], path: &[String], aliases: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(&[], rest, true, aliases),
            "self" => self.walk(module, rest, true, aliases),
            "super" => {
                let mut module = &module[..module.len().checked_sub(1)?];
                let mut rest = rest;
                while let Some(("super", next)) = rest.split_first().map(|(s, r)| (s.as_str(), r)) {
                    module = &module[..module.len().checked_sub(1)?];
                    rest = next;
                }
                self.walk(module, rest, true, aliases)
            }
            _ => self.walk(module, path, false, aliases),
        }
    }

    /// Follows a path down from a module. `is_ours`: the path is known to belong to this crate, so a
    /// name that nothing defines is defined by a macro there.
    fn walk(
        &self,
        module: &[String],
        path: &[String],
        is_ours: bool,
        aliases: usize,
    ) -> Option<Target> {
        let here = self.modules.get(module)?;
        let Some((name, rest)) = path.split_first() else {
            return Some(Target { module: module.to_vec(), is_module: true });
        };
        let child = [module, std::slice::from_ref(name)].concat();
        let has_child = self.modules.contains_key(&child);
        if has_child && !rest.is_empty() {
            return self.walk(&child, rest, true, aliases);
        }
        if here.items.contains(name) {
            return Some(Target { module: module.to_vec(), is_module: false });
        }
        if let Some(path) = here.aliases.get(name) {
            let whole = [path, rest].concat();
            return (aliases < MAX_ALIASES)
                .then(|| self.resolve(module, &whole, aliases + 1))
                .flatten();
        }
        if has_child {
            return Some(Target { module: child, is_module: true });
        }
        if aliases < MAX_ALIASES {
            for glob in &here.globs {
                // A module that imports everything from its parent thereby imports itself.
                let Some(from) = self.resolve(module, glob, aliases + 1) else { continue };
                if from.is_module
                    && from.module != module
                    && let Some(target) = self.walk(&from.module, path, false, aliases + 1)
                {
                    return Some(target);
                }
            }
        }
        is_ours.then(|| Target { module: module.to_vec(), is_module: false })
    }
}

/// Target of a path: a module, or an item in one.
struct Target {
    module: Path,
    is_module: bool,
}

/// Collects what one file defines and mentions.
struct Reader<'a> {
    file: &'a str,
    module: Path,
    tree: Tree,
    mentions: Vec<Mention>,
}

impl Reader<'_> {
    fn enter(&mut self) {
        self.here().file = self.file.to_owned();
    }

    fn here(&mut self) -> &mut Module {
        self.tree.modules.entry(self.module.clone()).or_default()
    }

    fn mention(&mut self, path: Path, span: Span) {
        self.mentions.push(Mention {
            module: self.module.clone(),
            path,
            line: line(span),
            is_glob: false,
            is_reexport: false,
        });
    }

    fn define(&mut self, ident: &syn::Ident) {
        self.here().items.insert(ident.to_string());
    }

    fn define_type(&mut self, ident: &syn::Ident, visibility: &syn::Visibility) {
        self.define(ident);
        let is_wide = match visibility {
            syn::Visibility::Public(_) => true,
            syn::Visibility::Restricted(restricted) => restricted.path.is_ident("crate"),
            syn::Visibility::Inherited => false,
        };
        if is_wide {
            self.tree.types.push(Type {
                name: ident.to_string(),
                file: self.file.to_owned(),
                line: line(ident.span()),
            });
        }
    }

    /// Records the types that a macro of this file declares under its own name.
    fn declare(&mut self, tokens: &TokenStream) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        for found in tokens.windows(3) {
            if let [TokenTree::Ident(visibility), TokenTree::Ident(kind), TokenTree::Ident(name)] =
                found
                && visibility == "pub"
                && ["enum", "struct", "trait", "type", "union"].iter().any(|it| kind == it)
            {
                self.define_type(name, &syn::Visibility::Public(syn::token::Pub::default()));
            }
        }
        for token in &tokens {
            if let TokenTree::Group(group) = token {
                self.declare(&group.stream());
            }
        }
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String], is_reexport: bool) {
        let joined = |ident: &syn::Ident| match ident.to_string() {
            // `a::{self}` is `a`.
            name if name == "self" && !before.is_empty() => before.to_vec(),
            name => [before, &[name]].concat(),
        };
        let (path, name, span, is_glob) = match tree {
            syn::UseTree::Path(path) => {
                return self.import(&path.tree, &joined(&path.ident), is_reexport);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, is_reexport);
                }
                return;
            }
            syn::UseTree::Name(name) => {
                let path = joined(&name.ident);
                (path.clone(), path.last().cloned(), name.ident.span(), false)
            }
            syn::UseTree::Rename(rename) => {
                let name = Some(rename.rename.to_string()).filter(|name| name != "_");
                (joined(&rename.ident), name, rename.ident.span(), false)
            }
            syn::UseTree::Glob(glob) => (before.to_vec(), None, glob.star_token.span, true),
        };
        if is_glob {
            self.here().globs.push(path.clone());
        } else if let Some(name) = name {
            self.here().aliases.insert(name, path.clone());
        }
        let (module, line) = (self.module.clone(), line(span));
        self.mentions.push(Mention { module, path, line, is_glob, is_reexport });
    }

    /// Records the chains of names in the arguments of a macro or an attribute.
    fn tokens(&mut self, tokens: &TokenStream) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut i = 0;
        while i < tokens.len() {
            match &tokens[i] {
                TokenTree::Group(group) => self.tokens(&group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while let [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(next)] =
                        &tokens[i + 1..(i + 4).min(tokens.len())]
                        && one.as_char() == ':'
                        && two.as_char() == ':'
                    {
                        path.push(next.to_string());
                        i += 3;
                    }
                    if path.len() > 1 || is_camel(&path[0]) {
                        self.mention(path, first.span());
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            i += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            syn::Item::Struct(item) => self.define_type(&item.ident, &item.vis),
            syn::Item::Enum(item) => self.define_type(&item.ident, &item.vis),
            syn::Item::Trait(item) => self.define_type(&item.ident, &item.vis),
            syn::Item::Type(item) => self.define_type(&item.ident, &item.vis),
            syn::Item::Union(item) => self.define_type(&item.ident, &item.vis),
            syn::Item::Const(item) => self.define(&item.ident),
            syn::Item::Fn(item) => self.define(&item.sig.ident),
            syn::Item::Static(item) => self.define(&item.ident),
            syn::Item::Macro(item) => {
                item.ident.iter().for_each(|ident| self.define(ident));
                self.declare(&item.mac.tokens);
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !matches!(item, syn::ImplItem::Fn(function) if is_test(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.module.push(item.ident.to_string());
            self.enter();
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        // `use ::name` belongs to another crate.
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[], is_reexport);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Path = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        // A lone lower-case name is a variable, unless it is called: see `visit_expr_call`.
        if path.leading_colon.is_none() && (names.len() > 1 || is_camel(&names[0])) {
            self.mention(names, path.segments[0].ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func
            && let Some(name) = function.path.get_ident()
        {
            self.mention(vec![name.to_string()], name.span());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(&call.tokens);
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.tokens(&list.tokens);
    }

    // `pub(in crate::store)` restricts visibility, and imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// The module in a file: `src/store/mod.rs`, `src/store/enabled.rs` and `src/store.rs` are `store`.
fn module_path(file: &str) -> Path {
    let inner = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Path = inner.split('/').map(str::to_owned).collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "enabled")) || inner == "lib" {
        path.pop();
    }
    path
}

pub fn line(span: Span) -> usize {
    span.start().line
}

/// Whether a name is a type or constant, as opposed to a variable or function.
fn is_camel(name: &str) -> bool {
    name != "Self" && name.starts_with(char::is_uppercase)
}

/// Whether code is compiled only for tests: `#[cfg(test)]`, `#[cfg(all(test, ..))]`.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    fn names(tokens: TokenStream, found: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => found.push(ident.to_string()),
                TokenTree::Group(group) => names(group.stream(), found),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
    attributes.iter().any(|attribute| match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => {
            let mut found = Vec::new();
            names(list.tokens.clone(), &mut found);
            let has = |name: &str| found.iter().any(|found| found == name);
            has("test") && !has("not") && !has("any")
        }
        _ => false,
    })
}

pub fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
