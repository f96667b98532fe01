//! Man pages and shell completions.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{almt, files};

/// The commands, as the program lists them.
fn commands() -> Vec<String> {
    let help = almt(Path::new("."), &["--help"]).ok().stdout();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    // Lines that go on with a description are further in.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
    names.map(|(name, _)| name.to_owned()).filter(|n| !n.is_empty() && n != "help").collect()
}

/// Has a program judge a file; `None`, and a word about it, where the program is not there.
fn judged(program: &str, args: &[&str], file: &Path) -> Option<String> {
    let output = Command::new(program).args(args).arg(file).stdin(Stdio::null()).output();
    let Ok(output) = output else {
        println!("skipped: no {program}");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} refuses {}\n{said}", file.display());
    assert_eq!(said, "", "{program} on {}", file.display());
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_command_has_a_man_page_and_completions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["manual", "share"]).ok();
    let commands = commands();
    assert!(commands.len() > 18 && commands.contains(&"convert".into()), "{commands:?}");

    let pages = folder.join("share/man/man1");
    let mut expected: Vec<String> =
        commands.iter().map(|command| format!("almt-data-{command}.1")).collect();
    expected.push("almt-data.1".into());
    expected.sort();
    assert_eq!(files(&pages), expected);
    for name in expected {
        // Wide enough for the longest synopsis without stretched lines, of which it warns.
        let args = ["-man", "-Tutf8", "-ww", "-rLL=100n", "-P-cbou"];
        let Some(shown) = judged("groff", &args, &pages.join(&name)) else { break };
        assert!(shown.contains("SYNOPSIS") && shown.contains("almt-data"), "{name}: {shown}");
        if name == "almt-data-convert.1" {
            let shown: Vec<&str> = shown.split_whitespace().collect();
            assert!(shown.contains(&"--on-nonfinite"), "{shown:?}");
        }
    }

    let scripts = folder.join("share/completions");
    let shells = [
        ("almt-data.bash", "bash"),
        ("_almt-data", "zsh"),
        ("almt-data.fish", "fish"),
        ("_almt-data.ps1", "pwsh"),
    ];
    assert_eq!(files(&scripts).len(), shells.len());
    for (name, shell) in shells {
        let script = scripts.join(name);
        let text = std::fs::read_to_string(&script).unwrap();
        assert!(text.contains("ALMT_DATA_COMPLETE"), "{name} does not ask the program");
        if shell != "pwsh" {
            judged(shell, &["-n"], &script);
        }
    }

    // What is there of them is replaced.
    let again = almt(folder, &["manual", "share"]).ok().stdout();
    assert!(again.contains("share/completions: 4 files"), "{again}");
}

/// The words that bash offers for a line when its user presses the tab key; of options only those that
/// a dash asks for.
fn offered(folder: &Path, line: &str) -> Vec<String> {
    let ask = r#"
        source share/completions/almt-data.bash
        read -ra COMP_WORDS <<< "$1"
        [[ "$1" == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_TYPE=9
        _clap_complete_almt_data almt-data "${COMP_WORDS[COMP_CWORD]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let programs = Path::new(env!("CARGO_BIN_EXE_almt-data")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(programs.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("bash")
        .args(["-c", ask, "bash", line])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{line}: {said}");
    let words = String::from_utf8(output.stdout).unwrap();
    let is_asked_for = |word: &&str| !word.starts_with('-') || !line.ends_with(' ');
    words.lines().filter(is_asked_for).map(String::from).collect()
}

#[test]
fn a_shell_is_offered_what_fits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    almt(folder, &["manual", "share"]).ok();
    for path in ["mosi.h5", "sims.arrow/a", "mosi.pkl", "run/config.toml", "more/of it/config.toml"]
    {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    assert_eq!(offered(folder, "almt-data conv"), ["convert"]);
    assert_eq!(offered(folder, "almt-data convert --on-n"), ["--on-nonfinite"]);
    // Stores first, then the folders in which there may be some.
    let stores = ["mosi.h5", "sims.arrow/", "more/", "run/", "share/"];
    assert_eq!(offered(folder, "almt-data validate "), stores);
    assert_eq!(offered(folder, "almt-data convert mo"), ["mosi.pkl", "more/"]);
    if cfg!(feature = "train") {
        assert_eq!(offered(folder, "almt-data train --store mo"), ["mosi.h5", "more/"]);
        let runs = ["run/", "more/", "share/", "sims.arrow/"];
        assert_eq!(offered(folder, "almt-data eval "), runs);
        assert_eq!(offered(folder, "almt-data compare run/ more/"), ["more/of it/"]);
        assert_eq!(offered(folder, "almt-data train --model mi"), ["misa"]);
    }
}
