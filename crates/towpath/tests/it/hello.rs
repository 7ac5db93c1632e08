//! The first program of the README is the example, is short, and runs.

const README: &str = include_str!("../../../../README.md");
const HELLO: &str = include_str!("../../examples/hello.rs");

#[test]
fn the_readme_shows_the_example_that_is_run() {
    let shown = README
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let program: Vec<&str> = HELLO
        .lines()
        .filter(|line| !line.starts_with("//!"))
        .collect();
    let program = program.join("\n");
    assert_eq!(shown.unwrap_or("no program").trim(), program.trim());
}

#[test]
fn hello_is_a_whole_program_of_at_most_25_lines() {
    let lines = HELLO.lines().count();
    assert!(lines <= 25, "{lines} lines");
}
