def answer(question: str) -> str:
    return "ответ: " + question
