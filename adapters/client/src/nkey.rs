//! NKEY seeds and `.creds` files: signing the nonce of a server.

use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use nats_conn_sm::{AuthError, Credentials};
use nats_proto::Secret;
use nkeys::KeyPair;

/// Where a key comes from.
#[derive(Clone)]
pub(crate) enum KeySource {
    Seed(Secret),
    SeedFile(PathBuf),
    Creds(Secret),
    CredsFile(PathBuf),
}

impl KeySource {
    pub(crate) fn answer(&self, nonce: Option<&str>) -> Result<Credentials, AuthError> {
        match self {
            Self::Seed(seed) => sign_with_seed(seed.expose(), nonce),
            Self::SeedFile(path) => sign_with_seed(read(path)?.expose(), nonce),
            Self::Creds(creds) => sign_with_creds(creds.expose(), nonce),
            Self::CredsFile(path) => sign_with_creds(read(path)?.expose(), nonce),
        }
    }
}

fn read(path: &PathBuf) -> Result<Secret, AuthError> {
    std::fs::read_to_string(path)
        .map(Secret::from)
        .map_err(|error| unusable(format!("cannot read {}: {error}", path.display())))
}

fn sign_with_seed(text: &str, nonce: Option<&str>) -> Result<Credentials, AuthError> {
    let nonce = nonce.ok_or(AuthError::NoNonce)?;
    let key = key(seed_in(text)?)?;
    Ok(Credentials::nkey(key.public_key(), sign(&key, nonce)?))
}

fn sign_with_creds(text: &str, nonce: Option<&str>) -> Result<Credentials, AuthError> {
    let jwt =
        section(text, "NATS USER JWT").ok_or_else(|| unusable("no NATS USER JWT in the .creds".into()))?;
    let nonce = nonce.ok_or(AuthError::NoNonce)?;
    Ok(Credentials::jwt(jwt, sign(&key(seed_in(text)?)?, nonce)?))
}

/// The seed in a file of its own, bare or between dashed lines, or in a `.creds` file.
fn seed_in(text: &str) -> Result<&str, AuthError> {
    let bare = || {
        text.lines()
            .map(str::trim)
            .find(|line| line.starts_with('S') && !line.contains(' '))
    };
    section(text, "NKEY SEED")
        .or_else(bare)
        .ok_or_else(|| unusable("no NKEY seed in it: a line that begins with S".into()))
}

/// The first line between `-----BEGIN … name-----` and `------END …------`.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(name))?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| !line.starts_with("---"))
}

fn key(seed: &str) -> Result<KeyPair, AuthError> {
    // What the library says is left out: it may say something of the seed.
    KeyPair::from_seed(seed).map_err(|_| unusable("the NKEY seed is not valid".into()))
}

fn sign(key: &KeyPair, nonce: &str) -> Result<String, AuthError> {
    let signature = key
        .sign(nonce.as_bytes())
        .map_err(|_| unusable("the NKEY cannot sign".into()))?;
    Ok(BASE64URL_NOPAD.encode(&signature))
}

fn unusable(detail: String) -> AuthError {
    AuthError::Unusable {
        detail: detail.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creds(key: &KeyPair) -> String {
        format!(
            "-----BEGIN NATS USER JWT-----\neyJ.claims.sig\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             Seeds must be kept secret.\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            key.seed().unwrap()
        )
    }

    fn verifies(key: &KeyPair, credentials: &Credentials) -> bool {
        let signature = credentials.signature.as_ref().unwrap().expose();
        key.verify(b"nonce", &BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap())
            .is_ok()
    }

    #[test]
    fn a_seed_signs_the_nonce() {
        let key = KeyPair::new_user();
        for text in [
            key.seed().unwrap(),
            format!("# mine\n {} \n", key.seed().unwrap()),
            creds(&key),
        ] {
            let credentials = KeySource::Seed(text.into()).answer(Some("nonce")).unwrap();
            assert_eq!(credentials.nkey, Some(key.public_key()));
            assert!(verifies(&key, &credentials));
        }
    }

    #[test]
    fn creds_give_the_jwt_and_sign_the_nonce() {
        let key = KeyPair::new_user();
        let credentials = KeySource::Creds(creds(&key).into())
            .answer(Some("nonce"))
            .unwrap();
        assert_eq!(credentials.jwt.as_ref().unwrap().expose(), "eyJ.claims.sig");
        assert_eq!(credentials.nkey, None);
        assert!(verifies(&key, &credentials));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_secret() {
        let seed = || KeySource::Seed("SUNUSABLE".into());
        assert_eq!(seed().answer(None), Err(AuthError::NoNonce));
        let error = seed().answer(Some("nonce")).unwrap_err().to_string();
        assert!(
            error.contains("not valid") && !error.contains("SUNUSABLE"),
            "{error}"
        );
        let missing = KeySource::CredsFile("/nonexistent/me.creds".into())
            .answer(Some("n"))
            .unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/me.creds"), "{missing}");
    }
}
