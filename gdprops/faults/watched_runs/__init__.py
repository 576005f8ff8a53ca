"""Wrong training scripts, each a small function that trains with torch, and right ones beside them.

No clause on subjects examines them: `gdprops.watching` looks at them while they run, and the chapter `live` judges.
"""
