//! The random seeds that firmware has left for a kernel (Devicetree schema, `chosen.yaml`).

use crate::boot::fdt::Tree;
use crate::entropy::Source;

/// Returns the values of `/chosen/rng-seed` and `/chosen/kaslr-seed`.
pub fn firmware_seeds<'a>(tree: &Tree<'a>) -> impl Iterator<Item = (Source, &'a [u8])> {
    let sources = [Source::RngSeed, Source::KaslrSeed];
    let chosen = tree.node("/chosen").into_iter();
    let properties = chosen.flat_map(|chosen| chosen.properties());
    properties.filter_map(move |property| {
        let source = sources.into_iter().find(|source| source.name() == property.name)?;
        Some((source, property.value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::plan::tests::{Cells, Spec};
    use alloc::vec::Vec;

    #[test]
    fn seeds_are_those_of_the_node_chosen() {
        let chosen = Spec::new("chosen")
            .with("kaslr-seed", Cells(&[1, 2]))
            .with("bootargs", Cells(&[0]))
            .with("rng-seed", Cells(&[3; 8]))
            .child(Spec::new("other").with("rng-seed", Cells(&[4; 8])));
        let bytes = Spec::new("").with("rng-seed", Cells(&[5; 8])).child(chosen).tree();
        let tree = Tree::new(&bytes).unwrap();
        let found: Vec<_> = firmware_seeds(&tree).collect();
        assert_eq!(
            found,
            [
                (Source::KaslrSeed, &[0, 0, 0, 1, 0, 0, 0, 2][..]),
                (Source::RngSeed, [[0, 0, 0, 3]; 8].as_flattened()),
            ]
        );
        let bytes = Spec::new("").child(Spec::new("chosen")).tree();
        assert_eq!(firmware_seeds(&Tree::new(&bytes).unwrap()).count(), 0);
        assert_eq!(firmware_seeds(&Tree::new(&Spec::new("").tree()).unwrap()).count(), 0);
    }
}
