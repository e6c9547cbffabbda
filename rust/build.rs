//! Records which commit the crate is built from, for products to name it.

use std::path::Path;
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // Written at each commit and checkout.
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    println!("cargo::rerun-if-changed=src");
    if let Some(revision) = revision(&root) {
        println!("cargo::rustc-env=ROMANCAL_RS_REVISION={revision}");
    }
}

/// `g` and the short hash, with `.dirty` where files differ from it; none outside a clone, as in a
/// source distribution.
fn revision(root: &Path) -> Option<String> {
    if !root.join(".git").exists() {
        return None;
    }
    let hash = git(root, &["rev-parse", "--short=10", "HEAD"])?;
    let changes = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changes.is_empty() { "" } else { ".dirty" };
    Some(format!("g{hash}{dirty}"))
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
