//! What is to be published, while it is being put together.

use nats_conn_sm::Publish;
use nats_proto::{CowSubject, Excerpt, Headers, IntoSubject, InvalidSubject, Payload};

/// What is to be published. Its subjects are checked when they are given; what is wrong with them is told when it is
/// published.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing<'a> {
    subjects: Result<Subjects<'a>, InvalidSubject>,
    headers: Option<&'a Headers>,
    payload: Payload<'a>,
}

#[derive(Clone, Debug)]
struct Subjects<'a> {
    subject: CowSubject<'a>,
    reply: Option<CowSubject<'a>>,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(subject: impl IntoSubject<'a>, payload: impl Into<Payload<'a>>) -> Self {
        Self {
            subjects: subject
                .into_subject()
                .map(|subject| Subjects { subject, reply: None }),
            headers: None,
            payload: payload.into(),
        }
    }

    /// The same, whose answers go there. The first subject that is none is the one that is told.
    pub(crate) fn reply_to(mut self, reply: impl IntoSubject<'a>) -> Self {
        self.subjects = self.subjects.and_then(|subjects| {
            Ok(Subjects {
                reply: Some(reply.into_subject()?),
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

    /// As the machine takes it.
    #[inline]
    pub(crate) fn publish(&self) -> Result<Publish<'_>, InvalidSubject> {
        let subjects = self.subjects.as_ref().map_err(|error| *error)?;
        let mut publish = Publish::new(subjects.subject.as_subject_ref(), self.payload.clone());
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
