"""OpenAI's embeddings: one request for some texts.

Owns the request, its format and what makes an answer whole. Which texts go into a request is `embedder`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lambdas.shared.lazy import lazy_packages
from lambdas.shared.openai_calls.answers import unpack
from lambdas.shared.work_errors import ConfigurationError, RefusedInputError, TooLargeError, WorkError

with lazy_packages("openai.types"):
    import openai

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai import OpenAI

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.openai_calls.answers import Vector
    from lambdas.shared.openai_calls.openai_service import OpenAIService

CHECK_TEXT = "test"
"""What any server can embed."""


class Embeddings:
    """Embeds texts by one model."""

    def __init__(self, openai_service: OpenAIService, model: str, dimensions: int, *, shortened: bool = False) -> None:
        """Nothing is asked yet.

        Args:
            openai_service: makes the requests.
            model: its name.
            dimensions: the length of the vectors.
            shortened: whether they are to be asked for with that length, because it is not the model's own.
        """
        self._openai = openai_service
        self._model = model
        self._dimensions = dimensions
        self._shortened = shortened
        self._format: Literal["base64", "float"] = "base64"

    def embed(
        self, texts: Sequence[str], vectors: dict[str, Vector], deadline: Deadline, *, once: bool = False
    ) -> None:
        """Embed some texts, by one request and its retries; a retry asks for what is still missing.

        Args:
            texts: at most 2,048, of at most 300,000 tokens in all.
            vectors: text to vector; what is answered is added, also when the rest then fails.
            deadline: nothing is begun, and nothing waited for, beyond it.
            once: whether to do without retries.

        Raises:
            WorkError, SecretError: as of `OpenAIService.make`.
            UnavailableError: also when some of the texts have no usable vector.
        """

        def work(client: OpenAI, seconds: float) -> None:
            self._request(client, [text for text in texts if text not in vectors], vectors, seconds)

        self._openai.make(work, texts, deadline, once=once)

    def check(self, error: Exception, deadline: Deadline) -> bool:
        """Find out whether a failed request is the server's fault or the texts', by one for a harmless word.

        Args:
            error: of that request.
            deadline: as for `embed`.

        Returns:
            Whether the request is worth making again: the server takes it in another form.

        Raises:
            ConfigurationError: the server refuses everything.
            WorkError: it fails at everything, in another way.
        """
        try:
            self.embed([CHECK_TEXT], {}, deadline, once=True)
        except TooLargeError:
            raise _refuses_everything(error) from None
        except RefusedInputError:
            if self._format == "base64":
                self._format = "float"
                if self._embeds(deadline):
                    return True
                self._format = "base64"
            raise _refuses_everything(error) from None
        return False

    def _embeds(self, deadline: Deadline) -> bool:
        try:
            self.embed([CHECK_TEXT], {}, deadline, once=True)
        except WorkError:
            return False
        return True

    def _request(self, client: OpenAI, texts: Sequence[str], vectors: dict[str, Vector], seconds: float) -> None:
        """Make one request, with the vectors as base64 unless the server cannot: floats take eight times the memory."""
        try:
            answer = self._post(client, texts, seconds)
        except openai.APIStatusError as error:
            if self._format == "float" or not _is_about_base64(error):
                raise
            self._format = "float"
            answer = self._post(client, texts, seconds)
        unpack(answer, texts, self._dimensions, vectors)

    def _post(self, client: OpenAI, texts: Sequence[str], seconds: float) -> Any:
        answer = client.embeddings.with_raw_response.create(
            model=self._model,
            input=list(texts),
            encoding_format=self._format,
            dimensions=self._dimensions if self._shortened else openai.omit,
            timeout=seconds,
        )
        return answer.http_response.json()


def _refuses_everything(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"OpenAI refuses every request, also one for the word {CHECK_TEXT!r}, so no message is the reason; {error}. "
        "Check OPENAI_BASE_URL and OPENAI_EMBEDDING_MODEL, and the account's limits"
    )


def _is_about_base64(error: openai.APIStatusError) -> bool:
    return error.status_code in {400, 422} and ("encoding_format" in str(error.body) or "base64" in str(error.body))
