//! Refused copies and images by name.

use super::*;

/// Returns the refusal of an only partition `one` with this number of copies.
fn copies(count: &'static [u32]) -> Spec {
    one().with("copies", Cells(count))
}

/// Returns the refusal of a partition whose kernel is the image `linx` beside these images.
fn named(images: Vec<Spec>) -> String {
    let kernel = Spec::new("kernel").with("image", Text(&["linx"]));
    let images = Spec { children: images, ..Spec::new("images") };
    refusal(&system([one().child(kernel)]).child(images))
}

#[test]
fn numbers_of_copies() {
    assert_eq!(fault(copies(&[1, 2])), ": copies (8 bytes) is not one cell, as in <1>");
    assert_eq!(fault(copies(&[0])), ": copies = <0> is not from 1 to 255");
    assert_eq!(fault(copies(&[256])), ": copies = <256> is not from 1 to 255");
    assert_eq!(fault(copies(&[5])), ": cpus = <1> is more than the CPUs that are left: 0 of 4");
    let (many, more) = (copies(&[200]), partition("two").with("copies", Cells(&[56])));
    assert_eq!(
        refusal(&system([many, more])),
        "/partitions has more partitions than there are VMIDs, 255"
    );
}

#[test]
fn names_of_copies() {
    let long = partition("fourteen-chars").with("copies", Cells(&[11]));
    assert_eq!(
        refusal(&system([long])),
        "/partitions/fourteen-chars: copies = <11> makes the name \"fourteen-chars10\", which is \
         longer than 15 characters: give a shorter name"
    );
    for order in [[partition("one1"), copies(&[2])], [copies(&[2]), partition("one1")]] {
        let sentence = refusal(&system(order));
        let expected = [
            "/partitions/one: copies = <2> makes the name \"one1\", which is already given to \
             another partition",
            "/partitions/one1: name = \"one1\" is already given to another partition",
        ];
        assert!(expected.contains(&&*sentence), "{sentence}");
    }
    assert_eq!(
        refusal(&system([copies(&[2]), one()])),
        "/partitions/one: name = \"one\" is already given to another partition"
    );
}

#[test]
fn what_only_one_partition_can_have() {
    let ids = copies(&[2]).without("cpus").with("cpu-ids", Cells(&[0]));
    let properties = [
        ("cpu-ids", ids),
        ("host-base", copies(&[2]).with("host-base", Cells(&[0, 0x7000_0000]))),
        ("devices", copies(&[2]).with("devices", Text(&["rtc0"]))),
        ("trusted-devices", copies(&[2]).with("trusted-devices", Text(&["rtc0"]))),
        ("monitor", copies(&[2]).with("monitor", Nothing)),
    ];
    for (property, partition) in properties {
        assert_eq!(
            fault(partition),
            std::format!(
                ": copies = <2> and {property} are both present: give a partition with {property} \
                 a node of its own"
            )
        );
    }
}

#[test]
fn images_without_a_name_that_is_known() {
    assert_eq!(
        named(vec![image("linux", &[0]), image("rd", &[0])]),
        "/partitions/one/kernel: image = \"linx\" is not a node below images; the nearest name is \
         \"linux\""
    );
    let way = "give it a node with data below a node images, beside partitions";
    let none = std::format!("/partitions/one/kernel: image = \"linx\" is not an image: {way}");
    assert_eq!(named(vec![]), none);
    let kernel = Spec::new("kernel").with("image", Text(&["linx"]));
    assert_eq!(refusal(&system([one().child(kernel)])), none);
}

#[test]
fn images_that_are_wrong() {
    assert_eq!(
        named(vec![image("linx", &[])]),
        "/images/linx: data (0 bytes) is empty: give at least one byte"
    );
    assert_eq!(
        named(vec![Spec::new("linx")]),
        "/images/linx: data is missing: give /incbin/(\"file\")"
    );
    assert_eq!(
        named(vec![image("linx", &[0]).with("reg", Cells(&[0, 0x6000_0000, 0, 1]))]),
        "/images/linx: data and reg are both present: give only one of them"
    );
    assert_eq!(
        named(vec![Spec::new("linx").with("image", Text(&["linx"]))]),
        "/images/linx has an unknown property \"image\"; the nearest name is \"data\""
    );
    assert_eq!(
        named(vec![image("linx@1", &[0])]),
        "/images/linx@1: name = \"linx@1\" is not 1 to 15 letters, digits, hyphens and underscores"
    );
    assert_eq!(
        named(vec![image("linx", &[0]), image("linx", &[1])]),
        "/images/linx: name = \"linx\" is already given to another image"
    );
    assert_eq!(
        named(vec![image("linx", b"\x7fELF\x02")]),
        "/partitions/one/kernel: image (5 bytes) is an ELF file: give the output of `objcopy -O \
         binary`"
    );
    for (node, second) in [("kernel", "reg"), ("ramdisk", "image")] {
        let both = match second {
            "reg" => Spec::new(node).with("reg", Cells(&[0, 0x6000_0000, 0, 1])),
            _ => image(node, &[0]),
        };
        let first = if second == "reg" { "reg and image" } else { "data and image" };
        assert_eq!(
            fault(one().child(both.with("image", Text(&["linx"])))),
            std::format!("/{node}: {first} are both present: give only one of them")
        );
    }
}
