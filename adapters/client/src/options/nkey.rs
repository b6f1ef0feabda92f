//! NKEY seeds and `.creds` files: signing the nonce of a server.

use std::path::{Path, PathBuf};

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
            Self::SeedFile(path) => {
                sign_with_seed(read(path)?.expose(), nonce).map_err(|error| of_file(path, error))
            }
            Self::Creds(creds) => sign_with_creds(creds.expose(), nonce),
            Self::CredsFile(path) => {
                sign_with_creds(read(path)?.expose(), nonce).map_err(|error| of_file(path, error))
            }
        }
    }
}

fn read(path: &PathBuf) -> Result<Secret, AuthError> {
    let bytes =
        std::fs::read(path).map_err(|error| unusable(format!("cannot read {}: {error}", path.display())))?;
    let utf_16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    String::from_utf8(bytes).map(Secret::from).map_err(|_| {
        let what = if utf_16 { "UTF-16" } else { "not UTF-8" };
        unusable(format!("{} is {what}: save it as UTF-8", path.display()))
    })
}

/// What is wrong with what a file holds, with the name of the file.
fn of_file(path: &Path, error: AuthError) -> AuthError {
    match error {
        AuthError::Unusable { detail } => unusable(format!("{}: {detail}", path.display())),
        other => other,
    }
}

fn sign_with_seed(text: &str, nonce: Option<&str>) -> Result<Credentials, AuthError> {
    let nonce = nonce.ok_or(AuthError::NoNonce)?;
    let key = key(seed_in(text)?)?;
    Ok(Credentials::nkey(key.public_key(), sign(&key, nonce)?))
}

/// A server without a nonce has no use for a JWT, but may well be the one of a developer's machine: it gets a signature
/// of nothing, and decides.
fn sign_with_creds(text: &str, nonce: Option<&str>) -> Result<Credentials, AuthError> {
    let jwt =
        section(text, "NATS USER JWT").ok_or_else(|| unusable("no NATS USER JWT in the .creds".into()))?;
    Ok(Credentials::jwt(
        jwt,
        sign(&key(seed_in(text)?)?, nonce.unwrap_or_default())?,
    ))
}

/// The seed in a file of its own, bare or between dashed lines, or in a `.creds` file.
fn seed_in(text: &str) -> Result<&str, AuthError> {
    let bare = || lines(text).find(|line| line.starts_with('S') && !line.contains(' '));
    section(text, "NKEY SEED")
        .or_else(bare)
        .ok_or_else(|| unusable("no NKEY seed in it: a line that begins with S".into()))
}

/// The first line between `-----BEGIN … name-----` and `------END …------`.
fn section<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = lines(text);
    lines.find(|line| line.starts_with("---") && line.contains("BEGIN") && line.contains(name))?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| !line.starts_with("---"))
}

/// Without what editors put around them: blanks, and the byte order mark at the head of a file, which files that were
/// joined have in the middle, too.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| {
        line.trim_matches(|character: char| character.is_whitespace() || character == BYTE_ORDER_MARK)
    })
}

const BYTE_ORDER_MARK: char = '\u{feff}';

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
    fn without_a_nonce_a_jwt_goes_with_a_signature_of_nothing() {
        let key = KeyPair::new_user();
        let credentials = KeySource::Creds(creds(&key).into()).answer(None).unwrap();
        assert_eq!(credentials.jwt.as_ref().unwrap().expose(), "eyJ.claims.sig");
        let signature = credentials.signature.as_ref().unwrap().expose();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        assert!(key.verify(b"", &signature).is_ok());
    }

    #[test]
    fn byte_order_marks_are_skipped() {
        let key = KeyPair::new_user();
        let seed = key.seed().unwrap();
        for text in [
            format!("\u{feff}{seed}"),
            format!("\u{feff}\r\n{seed}\r\n"),
            format!("\u{feff} {}", creds(&key)),
            // Two files that were joined, each with a mark of its own.
            creds(&key).replace("-----BEGIN", "\u{feff}-----BEGIN"),
        ] {
            let credentials = KeySource::Seed(text.clone().into())
                .answer(Some("nonce"))
                .unwrap();
            assert_eq!(credentials.nkey, Some(key.public_key()), "{text:?}");
            if text.contains("JWT") {
                let credentials = KeySource::Creds(text.into()).answer(Some("nonce")).unwrap();
                assert_eq!(credentials.jwt.as_ref().unwrap().expose(), "eyJ.claims.sig");
                assert!(verifies(&key, &credentials));
            }
        }
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
        let file = std::env::temp_dir().join(format!("no-jwt-{}.creds", std::process::id()));
        std::fs::write(&file, "SUNUSABLE").unwrap();
        let empty = KeySource::CredsFile(file.clone()).answer(Some("n")).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(
            empty.to_string(),
            format!("credentials: {}: no NATS USER JWT in the .creds", file.display())
        );
    }

    #[test]
    fn a_file_in_another_encoding_is_told_by_its_name_and_its_encoding() {
        let path = std::env::temp_dir().join(format!("nats-conn-encoding-{}.nk", std::process::id()));
        for (bytes, encoding) in [
            (&[0xff, 0xfe, b'S', 0][..], "UTF-16"),
            (&[0xfe, 0xff, 0, b'S'], "UTF-16"),
            (&[b'S', 0xe9], "not UTF-8"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = KeySource::SeedFile(path.clone())
                .answer(Some("nonce"))
                .unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains(&format!("{} is {encoding}: ", path.display())),
                "{text}"
            );
        }
        std::fs::remove_file(&path).unwrap();
    }
}
