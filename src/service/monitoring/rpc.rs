//! The names of calls in metrics and spans: those that are served, and one for all others, so that no caller makes labels.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::SharedString;
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::service::proto::DESCRIPTORS;

/// What a call to something that is not served is called.
const OTHER: &str = "other";

/// Paths of calls with their names.
#[derive(Clone, Debug)]
pub(super) struct Rpcs(Arc<HashMap<String, SharedString>>);

impl Rpcs {
    /// Every call of the services that the build compiled, and of health and reflection.
    pub(super) fn served() -> Self {
        let sets = [
            DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ];
        let names = sets.into_iter().flat_map(names);
        Self(Arc::new(names.map(|name| (format!("/{name}"), SharedString::from_owned(name))).collect()))
    }

    pub(super) fn name(&self, path: &str) -> SharedString {
        self.0.get(path).cloned().unwrap_or_else(|| OTHER.into())
    }
}

/// `package.Service/Method` of every call in a set of descriptors.
fn names(descriptors: &[u8]) -> Vec<String> {
    let set = FileDescriptorSet::decode(descriptors).expect("the descriptors are those that a build compiled");
    let mut names = Vec::new();
    for file in &set.file {
        for service in &file.service {
            let method =
                |method: &prost_types::MethodDescriptorProto| format!("{}.{}/{}", file.package(), service.name(), method.name());
            names.extend(service.method.iter().map(method));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_has_its_name_and_nothing_else_has() {
        let rpcs = Rpcs::served();
        assert_eq!(rpcs.name("/sceau.v1.Signer/SignBatch").as_ref(), "sceau.v1.Signer/SignBatch");
        assert_eq!(rpcs.name("/grpc.health.v1.Health/Check").as_ref(), "grpc.health.v1.Health/Check");
        assert_eq!(rpcs.name("/sceau.v1.Signer/Patient-4711").as_ref(), "other");
    }
}
