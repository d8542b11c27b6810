//! How messages become bytes: as tonic's own codec does it, in a buffer that is as long as the message from the start.
//!
//! Left to itself the buffer begins at 8 KiB and doubles: an answer of 500 certificates was copied seven times on its way to
//! 700 KB, into memory that was new each time.

use std::marker::PhantomData;

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// The codec of every call. The build script names it (proto/build.rs).
#[derive(Clone, Debug)]
pub(super) struct SizedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for SizedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + Send + 'static, U: Message + Default + Send + 'static> Codec for SizedCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = SizedEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        SizedEncoder(ProstEncoder::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::default())
    }
}

/// Makes room for a message, and writes it.
#[derive(Clone, Debug)]
pub(super) struct SizedEncoder<T>(ProstEncoder<T>);

impl<T: Message> Encoder for SizedEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        self.0.encode(message, buffer)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tonic::codec::{EncodeBody, SingleMessageCompressionOverride};

    use super::*;
    use crate::service::proto::v1::result::Outcome;
    use crate::service::proto::v1::{Certificate, Result as ItemResult, SignBatchResponse};

    /// What stands before a message: whether it is compressed, and its length.
    const HEADER_BYTES: usize = 5;

    #[tokio::test]
    async fn a_long_message_is_written_once_into_a_buffer_of_its_length() {
        let certificate = Certificate { hc1: "6".repeat(600), ..Certificate::default() };
        let result = ItemResult { item_id: "1".to_owned(), outcome: Some(Outcome::Certificate(certificate)) };
        let answer = SignBatchResponse { results: vec![result; 500] };
        let encoder = SizedCodec::<SignBatchResponse, SignBatchResponse>::default().encoder();
        let messages = tokio_stream::once(Ok(answer.clone()));
        let body = EncodeBody::new_server(encoder, messages, None, SingleMessageCompressionOverride::default(), None);
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(SignBatchResponse::decode(&bytes[HEADER_BYTES..]).unwrap(), answer);
        let written = bytes.len();
        let buffer = bytes.try_into_mut().expect("nobody else has it").capacity();
        assert!(buffer < written + 64, "{buffer} bytes for {written}");
    }
}
