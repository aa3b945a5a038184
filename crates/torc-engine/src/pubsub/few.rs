//! A list that nearly always has one element: that one lies in its place, so that finding it is no further cache miss, and takes no
//! memory of its own.

/// A list in no order.
pub(super) enum Few<T> {
    One(T),
    /// None, or several; one, after others have gone.
    Many(Vec<T>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::Many(Vec::new())
    }
}

impl<T> Few<T> {
    #[inline]
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Few::One(one) => std::slice::from_ref(one),
            Few::Many(many) => many,
        }
    }

    #[inline]
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Few::One(one) => std::slice::from_mut(one),
            Few::Many(many) => many,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(super) fn push(&mut self, element: T) {
        match std::mem::take(self) {
            Few::One(one) => *self = Few::Many(vec![one, element]),
            Few::Many(many) if many.is_empty() => *self = Few::One(element),
            Few::Many(mut many) => {
                many.push(element);
                *self = Few::Many(many);
            }
        }
    }

    /// Takes the element at this place out; another one takes the place.
    pub(super) fn remove(&mut self, place: usize) {
        match self {
            Few::Many(many) => _ = many.swap_remove(place),
            Few::One(_) => {
                assert_eq!(place, 0, "there is one element");
                *self = Few::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_vector_holds() {
        let (mut few, mut many) = (Few::default(), Vec::new());
        for step in 0..200_usize {
            if step % 7 < 4 - step / 100 {
                few.push(step);
                many.push(step);
            } else if !many.is_empty() {
                few.remove(step % many.len());
                many.swap_remove(step % many.len());
            }
            if let Some(last) = few.as_mut_slice().last_mut() {
                *last += 1;
                *many.last_mut().expect("it is as long") += 1;
            }
            assert_eq!((few.as_slice(), few.is_empty()), (&many[..], many.is_empty()));
        }
        assert_eq!(size_of::<Few<(u16, u32)>>(), size_of::<Vec<u8>>());
    }
}
