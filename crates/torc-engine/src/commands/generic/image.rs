//! The image of a key: all that makes it again under another name, in another database or on another core.
//!
//! ```text
//!   null                                 there is no such key
//!   [bytes, expiry or null, form]        a string
//! ```

use torc_resp::Reply;
use torc_resp::reader::{self, Elements};
use torc_store::{Entry, StringForm, UnixMillis, ValueRef};

/// A key's value and what goes with it, detached from its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    expire_at: Option<UnixMillis>,
    form: StringForm,
}

impl Image {
    /// Of a key that is there.
    pub fn of(value: ValueRef<'_>) -> Self {
        let bytes = value.as_string().expect("all values are strings").to_vec();
        Image { bytes, expire_at: value.expire_at(), form: value.form() }
    }

    /// Makes the value and the expiry of a key those of the image, whatever it held.
    pub fn put(&self, entry: Entry<'_>) {
        match entry {
            Entry::Occupied(mut occupied) => occupied.replace(&self.bytes, self.expire_at, self.form),
            Entry::Vacant(vacant) => vacant.insert_string(&self.bytes, self.expire_at, self.form),
        }
    }

    /// Writes it as one value, RESP2.
    pub fn write(image: Option<&Image>, reply: &mut Reply<'_>) {
        let Some(image) = image else { return reply.null() };
        reply.array(3);
        reply.bulk(&image.bytes);
        match image.expire_at {
            Some(expire_at) => reply.integer(expire_at),
            None => reply.null(),
        }
        reply.integer(image.form as i64);
    }

    /// Reads what [`Image::write`] wrote.
    pub fn read(encoded: &[u8]) -> Option<Image> {
        if reader::is_null(encoded) {
            return None;
        }
        let mut elements = Elements::new(encoded).expect("an image is an array");
        let mut next = || elements.next().expect("an image has three elements");
        let bytes = reader::bulk(next()).expect("a string").to_vec();
        let expire_at = reader::integer(next());
        let form = match reader::integer(next()) {
            Some(form) if form == StringForm::Raw as i64 => StringForm::Raw,
            Some(form) if form == StringForm::Embedded as i64 => StringForm::Embedded,
            _ => StringForm::Auto,
        };
        Some(Image { bytes, expire_at, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_resp::Protocol;

    #[test]
    fn what_is_written_is_read() {
        for form in [StringForm::Auto, StringForm::Raw, StringForm::Embedded] {
            for expire_at in [None, Some(0), Some(1 << 42)] {
                let image = Image { bytes: b"a\r\nb".to_vec(), expire_at, form };
                let mut encoded = Vec::new();
                Image::write(Some(&image), &mut Reply::new(&mut encoded, Protocol::Resp2));
                assert_eq!(Image::read(&encoded), Some(image));
            }
        }
        let mut encoded = Vec::new();
        Image::write(None, &mut Reply::new(&mut encoded, Protocol::Resp2));
        assert_eq!(Image::read(&encoded), None);
    }
}
