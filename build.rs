//! Compiles the shim over libtorch, and lets the binary and the tests find libtorch without an
//! environment variable.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/native/shim.cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    if std::env::var_os("CARGO_FEATURE_TRAIN").is_none() {
        return;
    }
    // torch-sys links against the same folder; `DEP_TCH_LIBTORCH_LIB` is what it found there.
    if let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
        let include = Path::new(&folder).with_file_name("include");
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .flag("-isystem")
            .flag(include)
            .define("_GLIBCXX_USE_CXX11_ABI", "1")
            .file("src/native/shim.cpp")
            .compile("almt_shim");
    }
}
