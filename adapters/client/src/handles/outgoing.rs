//! What is to be published, while it is being put together.

use nats_conn_sm::Publish;
use nats_proto::{CowSubject, Excerpt, Headers, IntoSubject, InvalidSubject, Payload};

/// What is to be published. Its subjects are checked when they are given; what is wrong with them is told when it is
/// published.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<'a> {
    /// An error is rare, and large where it is not in a box.
    subjects: Result<Subjects<'a>, Box<InvalidSubject>>,
    headers: Option<&'a Headers>,
    payload: Payload<'a>,
}

#[derive(Clone, Debug)]
struct Subjects<'a> {
    subject: CowSubject<'a>,
    reply: Option<CowSubject<'a>>,
}

impl<'a> Outgoing<'a> {
    #[inline]
    pub(crate) fn new(subject: impl IntoSubject<'a>, payload: impl Into<Payload<'a>>) -> Self {
        Self {
            subjects: subject
                .into_subject()
                .map(|subject| Subjects { subject, reply: None })
                .map_err(Box::new),
            headers: None,
            payload: payload.into(),
        }
    }

    /// The same, whose answers go there. The first subject that is none is the one that is told.
    pub(crate) fn reply_to(mut self, reply: impl IntoSubject<'a>) -> Self {
        self.subjects = self.subjects.and_then(|subjects| {
            Ok(Subjects {
                reply: Some(reply.into_subject().map_err(Box::new)?),
                ..subjects
            })
        });
        self
    }

    /// The same with these headers.
    pub(crate) fn headers(mut self, headers: &'a Headers) -> Self {
        self.headers = Some(headers);
        self
    }

    /// As the machine takes it. A payload that it copies anyway is lent to it.
    #[inline]
    pub(crate) fn publish(&self) -> Result<Publish<'_>, InvalidSubject> {
        let subjects = self.subjects.as_ref().map_err(|error| **error)?;
        let payload = match self.payload.shared_len() {
            0 => Payload::Borrowed(self.payload.as_slice()),
            _ => self.payload.clone(),
        };
        let mut publish = Publish::new(subjects.subject.as_subject_ref(), payload);
        publish.reply = subjects.reply.as_ref().map(CowSubject::as_subject_ref);
        publish.headers = self.headers;
        Ok(publish)
    }

    /// The subject, as errors name it.
    #[cold]
    pub(crate) fn excerpt(&self) -> Excerpt {
        match &self.subjects {
            Ok(subjects) => Excerpt::new(subjects.subject.as_subject_ref().as_str()),
            Err(error) => error.subject,
        }
    }
}

/// About how many bytes of a block it takes. A shared payload is no part of a block, and weighs less: writes of several such
/// are worth more than the memory that is not used again in between.
#[inline]
pub(crate) fn weight(publish: &Publish<'_>) -> usize {
    let payload = match &publish.payload {
        Payload::Borrowed(copied) => copied.len(),
        shared => shared.len() / 16,
    };
    let reply = publish.reply.map_or(0, |reply| reply.as_str().len());
    let headers = publish.headers.map_or(0, Headers::encoded_len);
    // The verb, the lengths, and what separates them.
    16 + payload + publish.subject.as_str().len() + reply + headers
}
