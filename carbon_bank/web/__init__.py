"""Pages for people with a browser: sign in, see one's awards, and have each explained.

- `visitors.py`: who looks: a token in a cookie, or in the header of a client that shows the page itself.
- `sign_in.py`, `awards.py`: the routes. `refusals.py`: a refusal as a page, with the status that the API gives.
- `award_view.py`: an explained award as the page shows it, all numbers written out; `chart_view.py`: its drawings, measured by
  `chart.py`.
- `words.py`: the texts, by language. `pages.py`: templates and the style sheet.

What always holds:
- no page has a script, a style of its own or a thing from elsewhere: the content security policy forbids all three;
- a page shows what a route of the API tells the same person, by the same service;
- a page reads. What changes something is a POST that a foreign site cannot send.

Source: decision 0024.
"""
