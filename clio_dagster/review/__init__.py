"""Review: from a topic or a group to its accounts and, for those with the right, their conversations.

Who may look at what (`access`, `tokens`, `roles`), what each role is shown (`views`), and the one door through which
every look goes (`desk`): it asks for the right and a reason, keeps the day's limit, and writes the line first (`log`).
"""
