//! Where the images of a description are: inside it, or in memory already.

use alloc::string::String;

use super::error::{PlanError, Problem, Value};
use super::fields::Fields;
use super::image::{HEADER_SIZE, Header};
use crate::addr::{Pa, Region};
use crate::fdt::{Property, Tree};

/// Where the bytes of a kernel or ramdisk are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDescription {
    /// The path of the node.
    pub path: String,
    /// The property that says it: `data` or `reg`.
    pub property: &'static str,
    /// Where they are; not empty.
    pub region: Region<Pa>,
}

impl ImageDescription {
    /// The error of this image.
    pub(super) fn error(&self, problem: Problem) -> PlanError {
        let value = Value::Bytes(self.region.size());
        PlanError::new(&self.path, self.property, value, problem)
    }
}

/// Reads the first bytes of a region of memory, for an image that is not inside the description:
/// as many as the region has, then zeros. `None` if the region is not all memory.
pub type Peek<'p> = &'p dyn Fn(Region<Pa>) -> Option<Header>;

/// Finds images.
pub(super) struct Images<'i, 'a> {
    pub tree: &'i Tree<'a>,
    /// Where the tree is.
    pub base: Pa,
    pub peek: Peek<'i>,
}

impl Images<'_, '_> {
    /// The image that a node is about, and its first bytes.
    pub fn find(&self, node: Fields<'_, '_>) -> Result<(ImageDescription, Header), PlanError> {
        let inside = self.inside(node)?.map(|image| ("data", image));
        let in_memory = self.in_memory(node)?.map(|image| ("reg", image));
        let (property, (region, header)) = match (inside, in_memory) {
            (Some(_), Some(_)) => {
                return Err(node.fault("data", Value::Untold, Problem::Beside("reg")));
            }
            (one, other) => {
                one.or(other).ok_or_else(|| node.missing("data", "/incbin/(\"file\")"))?
            }
        };
        let image = ImageDescription { path: node.0.path(), property, region };
        Ok((image, header))
    }

    /// An image inside the description.
    fn inside(&self, node: Fields<'_, '_>) -> Result<Option<(Region<Pa>, Header)>, PlanError> {
        let Some(Property { value: bytes, .. }) = node.0.property("data") else {
            return Ok(None);
        };
        let offset = self.tree.offset_of(bytes).unwrap_or_default() as u64;
        let start = self.base.checked_add(offset);
        let region = start.and_then(|start| Region::new(start, bytes.len() as u64));
        let Some(region) = region.filter(|region| !region.is_empty()) else {
            return Err(node.fault("data", Value::Bytes(0), Problem::Empty));
        };
        let mut header = [0; HEADER_SIZE];
        for (to, from) in header.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(Some((region, header)))
    }

    /// An image that is in memory already: `reg = <hi lo hi lo>`.
    fn in_memory(&self, node: Fields<'_, '_>) -> Result<Option<(Region<Pa>, Header)>, PlanError> {
        let like = "an address in two cells and a size in two cells";
        let Some(region) = node.read("reg", like, region)? else {
            return Ok(None);
        };
        let refuse = |problem| node.fault("reg", Value::Region(region), problem);
        if region.is_empty() {
            return Err(refuse(Problem::Empty));
        }
        match (self.peek)(region) {
            Some(header) => Ok(Some((region, header))),
            None => Err(refuse(Problem::NotMemory(region.size()))),
        }
    }
}

fn region(reg: &Property<'_>) -> Option<Region<Pa>> {
    let ([start, size], []) = reg.value.as_chunks() else {
        return None;
    };
    let start = Pa::new(u64::from_be_bytes(*start));
    Region::new(start, u64::from_be_bytes(*size))
}
