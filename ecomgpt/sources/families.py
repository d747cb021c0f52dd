"""The final task families: what a model is asked for in the end, and what every atomic task serves.

Datasets, tasks and evaluation tasks name their family by these keys, so that a mixture can be filtered by family
and the chain (which atomic tasks feed which family) can be drawn.
"""

FAMILIES: dict[str, str] = {
    "named_entity_recognition": "find the entities of a text with their types",
    "entity_span_detection": "find the entities of a text, or those of one type",
    "entity_typing": "tell the type of a given entity or attribute value",
    "attribute_extraction": "find attribute values with the attribute's name",
    "attribute_value_detection": "find the attribute values in a text",
    "attribute_generation": "write down a product's attributes",
    "aspect_sentiment": "tell how a review judges its aspects",
    "aspect_detection": "find the aspects that a review speaks of",
    "review_topic": "tell the topics of a review",
    "sentiment_classification": "tell whether a review is positive or negative",
    "rating_prediction": "tell how many stars a review gave",
    "product_classification": "tell the category of a product",
    "product_matching": "tell whether two offers are the same product",
    "title_attribute_matching": "tell whether attributes belong to a title",
    "query_product_relevance": "tell how well a product fits a search query",
    "product_selection": "select the product that fits a query or a need",
    "query_generation": "write the search query that leads to a product",
    "intent_classification": "tell what a customer wants",
    "dialogue_understanding": "tell what happens in a conversation",
    "dialogue_generation": "write the next utterance of a conversation",
    "question_answering": "answer a question about a product",
    "extractive_question_answering": "answer a question with words of the context",
    "answer_selection": "select the answer or document that fits a question",
    "answerability": "tell whether a question can be answered from a context",
    "question_generation": "write the question that leads to an answer",
    "title_generation": "write a product's title",
    "description_generation": "write a product's description",
    "review_generation": "write a review",
    "text_generation_from_attributes": "write text that states given attributes",
}
