//! The table of causes that people read is the one that the code uses.

#[path = "../examples/causes.rs"]
#[expect(dead_code, reason = "an example has a main function")]
mod causes;

#[test]
fn the_table_of_causes_is_up_to_date() {
    let again = "cargo run -p mqtt-proto --example causes > mqtt-proto/CAUSES.md";
    assert!(include_str!("../CAUSES.md") == causes::table(), "CAUSES.md is out of date: {again}");
}
