//! Writes the table of everything that can be wrong with a packet: `cargo run -p mqtt-proto --example causes > mqtt-proto/CAUSES.md`.

use mqtt_proto::Cause;

fn main() {
    print!("{}", table());
}

/// The table in Markdown, in the order of [`Cause::ALL`].
pub(crate) fn table() -> String {
    let mut text = String::from(HEAD);
    for cause in Cause::ALL {
        let (statement, said) = (cause.statement(), cause.to_string());
        let message = said.strip_suffix(statement).expect("a message ends with its statement").trim_end();
        text += &format!("| `{cause:?}` | {message} | {} | `{statement}` |\n", cause.reason_code());
    }
    text
}

const HEAD: &str = "\
# What can be wrong with a packet

Each cause has one reason code and its place in the specification. Where the standard names no code, this is our choice. \
`v3` is MQTT 3.1.1, `v5` is MQTT 5.0; a number without a label is a section.

Written by the example `causes` from the one table in `src/error.rs`; a test compares them.

| cause | what is wrong | reason code | statements |
|---|---|---|---|
";
