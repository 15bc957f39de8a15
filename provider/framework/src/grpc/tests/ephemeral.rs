//! What the messages about ephemeral resources hold.

use tonic::Request;

use super::super::encode;
use super::super::tfplugin6::provider_server::Provider as _;
use super::{attribute, msgpack, service, wire};
use crate::ephemeral_resource::{
    CloseRequest, EphemeralResource, OpenRequest, Opened, RenewRequest, Renewed,
};
use crate::schema::{AttributeType, ResourceSchema, computed, required};
use crate::{Diagnostics, Failed, Report as _, Timestamp, async_trait};

pub(super) struct Ticket;

#[async_trait]
impl EphemeralResource for Ticket {
    fn type_name(&self) -> &'static str {
        "one_ticket"
    }

    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "A ticket.")
            .attribute("topic", required(AttributeType::String, ""))
            .attribute("token", computed(AttributeType::String, ""))
    }

    async fn open(&self, request: OpenRequest, opened: &mut Opened) -> Result<(), Failed> {
        assert!(request.config.is_wholly_known());
        opened.result.set_attribute("token", "t");
        opened.renew_at = Some(Timestamp::new(7, 5).unwrap());
        opened.private.0 = b"private".to_vec();
        Ok(())
    }

    async fn renew(&self, request: RenewRequest, renewed: &mut Renewed) -> Result<(), Failed> {
        assert_eq!(request.private.0, b"private");
        renewed.private.0 = b"renewed".to_vec();
        Ok(())
    }

    async fn close(
        &self,
        request: CloseRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        diagnostics.warn("Closed", format!("{:?}", request.private.0));
        Ok(())
    }
}

fn open_request(config: &'static [u8]) -> Request<wire::open_ephemeral_resource::Request> {
    Request::new(wire::open_ephemeral_resource::Request {
        type_name: "one_ticket".to_owned(),
        config: Some(msgpack(config)),
        client_capabilities: Some(wire::ClientCapabilities {
            deferral_allowed: true,
            write_only_attributes_allowed: true,
        }),
    })
}

#[tokio::test]
async fn schemas_and_metadata_name_them() {
    let schema = Request::new(wire::get_provider_schema::Request {});
    let schema = service().get_provider_schema(schema).await.unwrap().into_inner();
    let metadata = Request::new(wire::get_metadata::Request {});
    let metadata = service().get_metadata(metadata).await.unwrap().into_inner();

    assert!(attribute(&schema.ephemeral_resource_schemas["one_ticket"], "token").computed);
    assert_eq!(metadata.ephemeral_resources[0].type_name, "one_ticket");
}

#[tokio::test]
async fn what_is_opened_goes_back_with_private_bytes_and_the_time_to_renew() {
    let request = open_request(b"\x82\xa5topic\xa1x\xa5token\xc0");

    let answer = service().open_ephemeral_resource(request).await.unwrap().into_inner();

    assert_eq!(answer.diagnostics, []);
    assert_eq!(answer.renew_at, Some(prost_types::Timestamp { seconds: 7, nanos: 5 }));
    assert_eq!(answer.result.unwrap().msgpack, b"\x82\xa5token\xa1t\xa5topic\xa1x".as_slice());
    assert_eq!(answer.private.unwrap(), b"private".as_slice());
}

#[tokio::test]
async fn what_is_not_known_yet_is_neither_opened_nor_deferred() {
    let request = open_request(b"\x82\xa5topic\xd4\x00\x00\xa5token\xc0");

    let answer = service().open_ephemeral_resource(request).await.unwrap().into_inner();

    assert_eq!(answer.diagnostics[0].summary, "one_ticket cannot be opened yet");
    assert_eq!(answer.diagnostics[0].attribute.as_ref().unwrap().steps.len(), 1);
    assert_eq!((answer.deferred, answer.private), (None, Some(b"".as_slice().into())));
}

#[tokio::test]
async fn a_renewal_without_another_time_says_so() {
    let request = wire::renew_ephemeral_resource::Request {
        type_name: "one_ticket".to_owned(),
        private: Some(b"private".as_slice().into()),
    };

    let answer =
        service().renew_ephemeral_resource(Request::new(request)).await.unwrap().into_inner();

    assert_eq!((answer.diagnostics, answer.renew_at), (Vec::new(), None));
    assert_eq!(answer.private.unwrap(), b"renewed".as_slice());
}

#[tokio::test]
async fn absent_private_bytes_are_none() {
    let request = wire::close_ephemeral_resource::Request {
        type_name: "one_ticket".to_owned(),
        private: None,
    };

    let answer =
        service().close_ephemeral_resource(Request::new(request)).await.unwrap().into_inner();

    assert_eq!(answer.diagnostics[0].detail, "[]");
}

#[tokio::test]
async fn a_type_that_does_not_exist_is_an_error() {
    let request = wire::validate_ephemeral_resource_config::Request {
        type_name: "one_other".to_owned(),
        config: None,
    };

    let answer = service().validate_ephemeral_resource_config(Request::new(request)).await;

    assert_eq!(
        answer.unwrap().into_inner().diagnostics[0].detail,
        "This version of the provider has no ephemeral resource type named `one_other`."
    );
}

#[test]
fn fractions_of_a_second_are_counted_forward_before_1970_too() {
    let encoded = |second, nanosecond| {
        let time = encode::timestamp(Timestamp::new(second, nanosecond).unwrap());
        (time.seconds, time.nanos)
    };

    assert_eq!(encoded(1, 500_000_000), (1, 500_000_000));
    assert_eq!(encoded(-1, -500_000_000), (-2, 500_000_000));
    assert_eq!(encoded(-1, 0), (-1, 0));
}
