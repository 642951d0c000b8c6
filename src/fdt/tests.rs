use super::*;

#[test]
fn what_is_written_can_be_read() {
    let mut writer = Writer::new();
    writer.begin_node("");
    writer.property_str("model", "a board");
    writer.begin_node("uart@9000000");
    writer.property_u32("phandle", 1);
    writer.end_node();
    writer.end_node();
    let mut bytes = writer.finish();
    let tree = Tree::new(&mut bytes).unwrap();
    assert_eq!(tree.nodes().count(), 2);
    assert_eq!(tree.node("/uart").unwrap().path(), "/uart@9000000");
    assert_eq!(tree.by_phandle(1).unwrap().name(), "uart@9000000");
    assert_eq!(
        tree.root().property("model").unwrap().as_str(),
        Some("a board")
    );
}
