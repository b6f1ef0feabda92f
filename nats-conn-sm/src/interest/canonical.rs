//! The canonical form of what is to be heard.

use super::Interest;
use crate::canonical::Form;

impl Interest {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self {
            subscriptions,
            requests,
            on_link,
        } = self;
        subscriptions.canonical(on_link.as_ref().map(|on_link| on_link.link()), form);
        requests.canonical(form);
        form.option(on_link.as_ref(), |form, on_link| on_link.canonical(form));
    }
}
