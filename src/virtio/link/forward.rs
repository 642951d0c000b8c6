//! How the packets of each kind of link are forwarded.

use super::call::Forward;
use super::network::forward_frame;
use super::ports::{Kind, Memories};
use super::socket::forward_packet;
use super::stream::forward_bytes;

impl<M: Memories> Forward<M> {
    /// Returns the function of a kind of links.
    // Inlined into the code of boot.
    #[inline(always)]
    pub fn of(kind: Kind) -> Self {
        Self(match kind {
            Kind::Network => forward_frame,
            Kind::Console => forward_bytes,
            Kind::Socket => forward_packet,
        })
    }
}
