//! The whole reference: the help of every command, as one snapshot.

use crate::program::Program;

#[test]
fn the_whole_reference() {
    let mut reference = String::new();
    add(&mut reference, &Program::new(), &mut Vec::new());
    insta::assert_snapshot!("reference", reference);
}

fn add(reference: &mut String, program: &Program, path: &mut Vec<String>) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let help = program.ok(&args);
    let line = format!("towpath {}", args.join(" "));
    reference.push_str(&format!(
        "{}\n$ {line}\n\n{}\n",
        "=".repeat(100),
        help.trim_end()
    ));
    for command in commands_of(&help) {
        path.push(command);
        add(reference, program, path);
        path.pop();
    }
}

/// The names under `Commands:`.
fn commands_of(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    // Further lines of a long text stand further to the right.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn help_and_version_are_answers_and_a_missing_command_is_not() {
    let program = Program::new();
    assert_eq!(program.run(&["--help"]).code, 0);
    assert!(program.ok(&["--version"]).starts_with("towpath "));
    let bare = program.run(&[]);
    assert_eq!((bare.code, bare.stdout.as_str()), (2, ""));
    assert!(bare.stderr.contains("First steps:"), "{bare:?}");
    assert!(
        !program.home().join("towpath").exists(),
        "help makes no store"
    );
}

#[test]
fn completions_name_the_commands_and_make_no_store() {
    let program = Program::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program.ok(&["completions", shell]);
        assert!(script.contains("requeue"), "{shell}");
    }
    assert!(!program.home().join("towpath").exists());
}
